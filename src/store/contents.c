/* See contents.h. Each step is one statement that names what it leads from, so two that act at once cannot
 * both do it. */
#include "store/contents.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "store/internal.h"

/* As CONTENT_COLUMNS of db.c has them. */
enum {
    COL_KEY,
    COL_TIER,
    COL_PLACE,
    COL_REFERENCE,
    COL_SITE,
    COL_ID,
    COL_BYTES,
    COL_HITS,
    COL_CREATED,
    COL_USED,
    COL_EXPIRES,
};

/* What does not fit was not written by us. */
static int read_row(struct db *db, enum db_stmt id, struct store_content *c)
{
    *c = (struct store_content){.bytes = (uint64_t)db_column_int(db, id, COL_BYTES)};
    int rc = db_column_text(db, id, COL_KEY, c->key, sizeof c->key);
    rc |= db_column_text(db, id, COL_TIER, c->tier, sizeof c->tier);
    rc |= db_column_text(db, id, COL_PLACE, c->place, sizeof c->place);
    rc |= db_column_text(db, id, COL_REFERENCE, c->reference, sizeof c->reference);
    rc |= db_column_text(db, id, COL_SITE, c->site, sizeof c->site);
    rc |= db_column_text(db, id, COL_ID, c->id, sizeof c->id);
    c->hits = db_column_int(db, id, COL_HITS);
    c->created_unix_s = db_column_int(db, id, COL_CREATED);
    c->used_unix_s = db_column_int(db, id, COL_USED);
    c->expires_unix_s = db_column_int(db, id, COL_EXPIRES);
    return rc;
}

/* All rows of a statement, at most `room`. */
static int read_all(struct store *s, enum db_stmt id, const struct db_value *values,
                    struct store_content *out, size_t room, struct err *err)
{
    size_t count = 0;
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, id, values, err);
    while (rc == 1 && count < room) {
        count += read_row(l.db, id, &out[count]) == 0;
        rc = db_next(l.db, id, err);
    }
    if (rc == 1)
        db_reset(l.db, id);
    return rc < 0 ? -1 : (int)count;
}

/* How many rows it changed. */
static int64_t change(struct store *s, enum db_stmt id, const struct db_value *values, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 || db_run(l.db, id, values, err) < 0)
        return -1;
    return db_changes(l.db);
}

static int change_one(struct store *s, enum db_stmt id, const struct db_value *values, struct err *err)
{
    int64_t rows = change(s, id, values, err);
    return rows < 0 ? -1 : rows > 0;
}

/* Not within a character: PostgreSQL would not take that. */
static void cut(char *out, size_t room, const char *text)
{
    size_t len = strlen(text);
    if (len >= room) {
        len = room - 1;
        while (len && ((unsigned char)text[len] & 0xC0) == 0x80)
            len--;
    }
    memcpy(out, text, len);
    out[len] = '\0';
}

void store_content_name(struct store_content *c, const char *site, const char *id)
{
    cut(c->site, sizeof c->site, site);
    cut(c->id, sizeof c->id, id);
}

int store_content_find(struct store *s, const char *key, const char *place, struct store_content *out,
                       size_t room, struct err *err)
{
    const struct db_value values[] = {DB_TEXT_VALUE(key), DB_TEXT_VALUE(place), DB_INT_VALUE(clock_unix_s())};
    return read_all(s, DB_CONTENT_FIND, values, out, room, err);
}

int store_content_known(struct store *s, const struct store_content *c, struct err *err)
{
    const struct db_value values[] = {DB_TEXT_VALUE(c->key), DB_TEXT_VALUE(c->tier), DB_TEXT_VALUE(c->place)};
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_CONTENT_KNOWN, values, err);
    if (rc == 1)
        db_reset(l.db, DB_CONTENT_KNOWN);
    return rc;
}

int64_t store_content_seen(struct store *s, const struct store_content *c, int64_t period_s, struct err *err)
{
    const int64_t now = clock_unix_s();
    const struct db_value values[] = {
        DB_TEXT_VALUE(c->key), DB_TEXT_VALUE(c->site),       DB_TEXT_VALUE(c->id),
        DB_INT_VALUE(now),     DB_INT_VALUE(now + period_s),
    };
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_CONTENT_SEEN, values, err);
    if (rc <= 0)
        return rc < 0 ? -1 : err_set(err, ERR_INTERNAL, "no count of downloads");
    int64_t hits = db_column_int(l.db, DB_CONTENT_SEEN, 0);
    db_reset(l.db, DB_CONTENT_SEEN);
    return hits;
}

int store_content_used(struct store *s, const struct store_content *c, int64_t hits, struct err *err)
{
    const struct db_value values[] = {DB_INT_VALUE(hits), DB_INT_VALUE(clock_unix_s()), DB_TEXT_VALUE(c->key),
                                      DB_TEXT_VALUE(c->tier), DB_TEXT_VALUE(c->place)};
    return change(s, DB_CONTENT_USED, values, err) < 0 ? -1 : 0;
}

/* ---- Storing ---- */

int store_content_claim(struct store *s, struct store_content *c, int64_t lease_s, struct err *err)
{
    uint8_t bytes[STORE_CONTENT_LEASE_LEN / 2];
    const int64_t now = clock_unix_s();
    hash_random(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(c->lease + 2 * i, 3, "%02x", bytes[i]);
    const struct db_value values[] = {
        DB_TEXT_VALUE(c->key),           DB_TEXT_VALUE(c->tier), DB_TEXT_VALUE(c->place),
        DB_TEXT_VALUE(c->lease),         DB_TEXT_VALUE(c->site), DB_TEXT_VALUE(c->id),
        DB_INT_VALUE((int64_t)c->bytes), DB_INT_VALUE(now),      DB_INT_VALUE(now + lease_s),
    };
    return change_one(s, DB_CONTENT_CLAIM, values, err);
}

int store_content_renew(struct store *s, const struct store_content *c, int64_t lease_s, struct err *err)
{
    const struct db_value values[] = {DB_INT_VALUE(clock_unix_s() + lease_s), DB_TEXT_VALUE(c->key),
                                      DB_TEXT_VALUE(c->tier), DB_TEXT_VALUE(c->place),
                                      DB_TEXT_VALUE(c->lease)};
    return change_one(s, DB_CONTENT_RENEW, values, err);
}

int store_content_stored(struct store *s, const struct store_content *c, struct err *err)
{
    const struct db_value values[] = {
        DB_TEXT_VALUE(c->reference),  DB_INT_VALUE((int64_t)c->bytes),
        DB_INT_VALUE(clock_unix_s()), DB_INT_VALUE(c->expires_unix_s ? c->expires_unix_s : INT64_MAX),
        DB_TEXT_VALUE(c->key),        DB_TEXT_VALUE(c->tier),
        DB_TEXT_VALUE(c->place),      DB_TEXT_VALUE(c->lease),
    };
    return change_one(s, DB_CONTENT_STORED, values, err);
}

int store_content_refused(struct store *s, const struct store_content *c, int64_t for_s, struct err *err)
{
    const struct db_value values[] = {DB_INT_VALUE(clock_unix_s() + for_s), DB_TEXT_VALUE(c->key),
                                      DB_TEXT_VALUE(c->tier), DB_TEXT_VALUE(c->place),
                                      DB_TEXT_VALUE(c->lease)};
    return change_one(s, DB_CONTENT_REFUSED, values, err);
}

/* ---- Leaving ---- */

int store_content_gone(struct store *s, const struct store_content *c, struct err *err)
{
    const struct db_value values[] = {DB_TEXT_VALUE(c->key), DB_TEXT_VALUE(c->tier), DB_TEXT_VALUE(c->place),
                                      DB_TEXT_VALUE(c->reference)};
    return change_one(s, DB_CONTENT_GONE, values, err);
}

static const char *or_any(const char *text)
{
    return text ? text : "";
}

int64_t store_content_leave(struct store *s, const struct store_content_which *which, struct err *err)
{
    struct store_content named;
    store_content_name(&named, or_any(which->site), or_any(which->id));
    const struct db_value values[] = {
        DB_INT_VALUE(clock_unix_s() + STORE_CONTENT_LEAVING_S),
        DB_TEXT_VALUE(or_any(which->tier)),
        DB_TEXT_VALUE(or_any(which->place)),
        DB_TEXT_VALUE(or_any(which->key)),
        DB_TEXT_VALUE(named.site),
        DB_TEXT_VALUE(named.id),
        DB_INT_VALUE(which->used_until_unix_s ? which->used_until_unix_s : INT64_MAX),
    };
    return change(s, DB_CONTENT_LEAVE, values, err);
}

int64_t store_content_expire(struct store *s, struct err *err)
{
    const int64_t now = clock_unix_s();
    if (change(s, DB_CONTENT_FORGET, (struct db_value[]){DB_INT_VALUE(now)}, err) < 0)
        return -1;
    return change(s, DB_CONTENT_EXPIRE,
                  (struct db_value[]){DB_INT_VALUE(now + STORE_CONTENT_LEAVING_S), DB_INT_VALUE(now)}, err);
}

int store_content_left(struct store *s, const char *place, struct store_content *out, size_t room,
                       struct err *err)
{
    const struct db_value values[] = {DB_TEXT_VALUE(place), DB_INT_VALUE(clock_unix_s()),
                                      DB_INT_VALUE((int64_t)room)};
    return read_all(s, DB_CONTENT_LEFT, values, out, room, err);
}

int store_content_list(struct store *s, const struct store_content_which *where, const char *after,
                       struct store_content *out, size_t room, struct err *err)
{
    const struct db_value values[] = {DB_TEXT_VALUE(or_any(where->tier)), DB_TEXT_VALUE(or_any(where->place)),
                                      DB_TEXT_VALUE(after), DB_INT_VALUE((int64_t)room)};
    return read_all(s, DB_CONTENT_LIST, values, out, room, err);
}

int store_content_oldest(struct store *s, const char *tier, const char *place, struct store_content *out,
                         size_t room, struct err *err)
{
    const struct db_value values[] = {DB_TEXT_VALUE(tier), DB_TEXT_VALUE(place), DB_INT_VALUE((int64_t)room)};
    return read_all(s, DB_CONTENT_OLDEST, values, out, room, err);
}

/* ---- Looking on ---- */

int store_content_sums(struct store *s, struct store_content_sum *out, size_t room, struct err *err)
{
    size_t count = 0;
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_CONTENT_SUMS, NULL, err);
    while (rc == 1 && count < room) {
        struct store_content_sum *sum = &out[count];
        int cut_off = db_column_text(l.db, DB_CONTENT_SUMS, 0, sum->tier, sizeof sum->tier);
        cut_off |= db_column_text(l.db, DB_CONTENT_SUMS, 1, sum->place, sizeof sum->place);
        cut_off |= db_column_text(l.db, DB_CONTENT_SUMS, 2, sum->state, sizeof sum->state);
        sum->count = db_column_int(l.db, DB_CONTENT_SUMS, 3);
        sum->bytes = db_column_int(l.db, DB_CONTENT_SUMS, 4);
        sum->hits = db_column_int(l.db, DB_CONTENT_SUMS, 5);
        count += cut_off == 0;
        rc = db_next(l.db, DB_CONTENT_SUMS, err);
    }
    if (rc == 1)
        db_reset(l.db, DB_CONTENT_SUMS);
    return rc < 0 ? -1 : (int)count;
}
