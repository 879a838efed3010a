/* See keys.h. */
#include "store/keys.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "store/internal.h"

enum { SECRET_BYTES = 32, ID_BYTES = STORE_KEY_ID_LEN / 2, ID_TRIES = 8 };

static const char prefix[] = "slc_";
static const char *const state_names[] = {
    [STORE_KEY_ACTIVE] = "active", [STORE_KEY_DISABLED] = "disabled", [STORE_KEY_REVOKED] = "revoked"};

const char *store_key_state_name(enum store_key_state state)
{
    return state_names[state];
}

/* --- rows --- */

enum {
    COL_ID,
    COL_HASH,
    COL_LABEL,
    COL_OWNER,
    COL_STATE,
    COL_RATE,
    COL_EXPIRES,
    COL_ADDRESSES,
    COL_CREATED,
    COL_BYTES,
    COL_STREAMS,
    COL_SITES,
};

/* The columns in their order above. What does not fit was not written by us. */
static int read_row(struct db *db, enum db_stmt id, struct key_row *row, struct err *err)
{
    struct store_api_key *key = &row->key;
    char state[16];
    int rc = db_column_text(db, id, COL_ID, key->id, sizeof key->id);
    rc |= db_column_text(db, id, COL_HASH, row->hash, sizeof row->hash);
    rc |= db_column_text(db, id, COL_LABEL, key->label, sizeof key->label);
    rc |= db_column_text(db, id, COL_OWNER, key->owner, sizeof key->owner);
    rc |= db_column_text(db, id, COL_STATE, state, sizeof state);
    rc |= db_column_text(db, id, COL_ADDRESSES, key->addresses, sizeof key->addresses);
    rc |= db_column_text(db, id, COL_SITES, key->sites, sizeof key->sites);
    key->rate_per_hour = db_column_int(db, id, COL_RATE);
    key->expires_unix_s = db_column_int(db, id, COL_EXPIRES);
    key->created_unix_s = db_column_int(db, id, COL_CREATED);
    key->bytes_per_day = db_column_int(db, id, COL_BYTES);
    key->streams_max = db_column_int(db, id, COL_STREAMS);
    key->state = STORE_KEY_REVOKED;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(state_names); i++) {
        if (strcmp(state, state_names[i]) == 0)
            key->state = (enum store_key_state)i;
    }
    return rc < 0 ? err_set(err, ERR_INTERNAL, "an API key's row does not read") : 0;
}

static int find(struct store *s, const char *id, struct key_row *out, struct err *err)
{
    auto_(lease) struct lease l = {0};
    int64_t asked_mono_us = clock_mono_us();
    if (key_cache_get(&s->key_cache, id, out))
        return 1;
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_API_KEY_FIND, (struct db_value[]){DB_TEXT_VALUE(id)}, err);
    if (rc <= 0)
        return rc;
    rc = read_row(l.db, DB_API_KEY_FIND, out, err);
    db_reset(l.db, DB_API_KEY_FIND);
    if (rc < 0)
        return -1;
    key_cache_put(&s->key_cache, out, asked_mono_us);
    return 1;
}

int store_key_get(struct store *s, const char *id, struct store_api_key *key, struct err *err)
{
    struct key_row row;
    int rc = find(s, id, &row, err);
    if (rc == 1)
        *key = row.key;
    return rc;
}

static int each_row(struct db *db, enum db_stmt id, const struct db_value *values,
                    void (*each)(void *ctx, const struct store_api_key *key), void *ctx, struct err *err)
{
    int rc = db_run(db, id, values, err);
    for (; rc == 1; rc = db_next(db, id, err)) {
        struct key_row row;
        if (read_row(db, id, &row, err) < 0) {
            db_reset(db, id);
            return -1;
        }
        each(ctx, &row.key);
    }
    return rc;
}

int store_key_list(struct store *s, void (*each)(void *ctx, const struct store_api_key *key), void *ctx,
                   struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    return each_row(l.db, DB_API_KEY_LIST, NULL, each, ctx, err);
}

/* What LIKE takes: anything that contains it, whatever the case of ASCII letters. */
static int make_pattern(struct buf *out, const char *search)
{
    (void)buf_addc(out, '%');
    for (const char *p = search; *p; p++) {
        if (strchr("%_\\", *p))
            (void)buf_addc(out, '\\');
        (void)buf_addc(out, *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p);
    }
    return buf_addc(out, '%');
}

int store_key_list_page(struct store *s, const struct store_key_page *page,
                        void (*each)(void *ctx, const struct store_api_key *key), void *ctx, int64_t *total,
                        struct err *err)
{
    auto_(buf) struct buf pattern = BUF_INIT(1024);
    auto_(lease) struct lease l = {0};
    if (make_pattern(&pattern, page->search) < 0)
        return err_set(err, ERR_BAD_REQUEST, "too much to search for");
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    const struct db_value values[] = {DB_TEXT_VALUE(buf_str(&pattern)), DB_TEXT_VALUE(page->order),
                                      DB_INT_VALUE(page->limit), DB_INT_VALUE(page->offset)};
    if (db_run(l.db, DB_API_KEY_COUNT, values, err) < 0)
        return -1;
    *total = db_column_int(l.db, DB_API_KEY_COUNT, 0);
    db_reset(l.db, DB_API_KEY_COUNT);
    return each_row(l.db, DB_API_KEY_PAGE, values, each, ctx, err);
}

/* --- making and checking --- */

static void make_id(char id[STORE_KEY_ID_LEN + 1])
{
    uint8_t bytes[ID_BYTES];
    hash_random(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

int store_key_create(struct store *s, struct store_api_key *key, char text[STORE_KEY_TEXT_LEN + 1],
                     struct err *err)
{
    uint8_t secret[SECRET_BYTES];
    char hash[HASH_HEX_LEN + 1];
    auto_(buf) struct buf coded = BUF_INIT(64);
    auto_(lease) struct lease l = {0};
    hash_random(secret, sizeof secret);
    if (hash_base64url(&coded, secret, sizeof secret) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    hash_sha256_hex(buf_str(&coded), coded.len, hash);
    key->created_unix_s = clock_unix_s();
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    for (int tries = 0; tries < ID_TRIES; tries++) {
        make_id(key->id);
        const struct db_value values[] = {
            DB_TEXT_VALUE(key->id),
            DB_TEXT_VALUE(hash),
            DB_TEXT_VALUE(key->label),
            DB_TEXT_VALUE(key->owner),
            DB_TEXT_VALUE(state_names[key->state]),
            DB_INT_VALUE(key->rate_per_hour),
            DB_INT_VALUE(key->expires_unix_s),
            DB_TEXT_VALUE(key->addresses),
            DB_INT_VALUE(key->created_unix_s),
            DB_INT_VALUE(key->bytes_per_day),
            DB_INT_VALUE(key->streams_max),
            DB_TEXT_VALUE(key->sites),
        };
        if (db_run(l.db, DB_API_KEY_ADD, values, err) < 0)
            return -1;
        if (db_changes(l.db) != 1)
            continue; /* the id is taken */
        (void)snprintf(text, STORE_KEY_TEXT_LEN + 1, "%s%s_%s", prefix, key->id, buf_str(&coded));
        return 0;
    }
    return err_set(err, ERR_INTERNAL, "no free key id was found");
}

int store_key_check(struct store *s, const char *text, struct store_api_key *key, struct err *err)
{
    char id[STORE_KEY_ID_LEN + 1];
    char sent[HASH_HEX_LEN + 1];
    struct key_row row;
    const char *at = text + sizeof prefix - 1;
    if (strnlen(text, STORE_KEY_TEXT_LEN + 1) != STORE_KEY_TEXT_LEN || !text_starts_with(text, prefix) ||
        at[STORE_KEY_ID_LEN] != '_')
        return 0;
    memcpy(id, at, STORE_KEY_ID_LEN);
    id[STORE_KEY_ID_LEN] = '\0';
    at += STORE_KEY_ID_LEN + 1;
    hash_sha256_hex(at, strlen(at), sent);
    int rc = find(s, id, &row, err);
    if (rc <= 0)
        return rc;
    *key = row.key;
    return hash_equal(sent, row.hash, HASH_HEX_LEN) ? 1 : 0;
}

/* --- changing --- */

/* Returns when no process goes by the row as it was. */
static int change(struct store *s, const char *key_id, enum db_stmt id, const struct db_value *values,
                  struct err *err)
{
    int64_t changed;
    {
        auto_(lease) struct lease l = {0};
        if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 || db_run(l.db, id, values, err) < 0)
            return -1;
        changed = db_changes(l.db);
    }
    key_cache_forget(&s->key_cache, key_id);
    clock_sleep_ms(STORE_KEY_FRESH_MS);
    return changed > 0;
}

int store_key_set_state(struct store *s, const char *id, enum store_key_state state, struct err *err)
{
    return change(s, id, DB_API_KEY_STATE,
                  (struct db_value[]){DB_TEXT_VALUE(state_names[state]), DB_TEXT_VALUE(id)}, err);
}

int store_key_update(struct store *s, const struct store_api_key *key, struct err *err)
{
    const struct db_value values[] = {
        DB_TEXT_VALUE(key->label),         DB_TEXT_VALUE(key->owner),     DB_INT_VALUE(key->rate_per_hour),
        DB_INT_VALUE(key->expires_unix_s), DB_TEXT_VALUE(key->addresses), DB_INT_VALUE(key->bytes_per_day),
        DB_INT_VALUE(key->streams_max),    DB_TEXT_VALUE(key->sites),     DB_TEXT_VALUE(key->id),
    };
    return change(s, key->id, DB_API_KEY_UPDATE, values, err);
}
