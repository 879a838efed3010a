/* See slices.h. */
#include "store/slices.h"

#include <string.h>

#include "store/internal.h"

struct notes {
    const char *place;
    const struct store_slice_note *all;
    size_t count;
    int64_t now_unix_s;
};

static int write_one(struct db *db, const struct notes *n, const struct store_slice_note *note,
                     struct err *err)
{
    const struct store_slice *s = &note->slice;
    const struct db_value put[] = {DB_TEXT_VALUE(n->place), DB_TEXT_VALUE(s->name),
                                   DB_TEXT_VALUE(s->site),  DB_TEXT_VALUE(s->id),
                                   DB_INT_VALUE(s->bytes),  DB_INT_VALUE(n->now_unix_s)};
    const struct db_value used[] = {DB_INT_VALUE(n->now_unix_s), DB_TEXT_VALUE(n->place),
                                    DB_TEXT_VALUE(s->name)};
    switch (note->what) {
    case STORE_SLICE_PUT:
        return db_run(db, DB_SLICE_PUT, put, err);
    case STORE_SLICE_USED:
        return db_run(db, DB_SLICE_TOUCH, used, err);
    case STORE_SLICE_GONE:
        break;
    }
    return db_run(db, DB_SLICE_DELETE, put, err);
}

static int write_all(struct db *db, void *ctx, struct err *err)
{
    const struct notes *n = ctx;
    for (size_t i = 0; i < n->count; i++) {
        if (write_one(db, n, &n->all[i], err) < 0)
            return -1;
    }
    return 0;
}

int store_slices_note(struct store *s, const char *place, const struct store_slice_note *notes, size_t count,
                      int64_t now_unix_s, struct err *err)
{
    struct notes n = {place, notes, count, now_unix_s};
    auto_(lease) struct lease l = {0};
    return lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0 ? -1
                                                                   : db_transact(l.db, write_all, &n, err);
}

int store_slices_knows(struct store *s, const char *place, const char *name, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_SLICE_FIND, (struct db_value[]){DB_TEXT_VALUE(place), DB_TEXT_VALUE(name)}, err);
    if (rc == 1)
        db_reset(l.db, DB_SLICE_FIND);
    return rc;
}

int store_slices_sum(struct store *s, const char *place, struct store_slice_sum *out, struct err *err)
{
    auto_(lease) struct lease l = {0};
    *out = (struct store_slice_sum){0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0 ||
        db_run(l.db, DB_SLICE_SUM, (struct db_value[]){DB_TEXT_VALUE(place)}, err) < 0)
        return -1;
    *out = (struct store_slice_sum){
        .bytes = db_column_int(l.db, DB_SLICE_SUM, 0),
        .count = db_column_int(l.db, DB_SLICE_SUM, 1),
        .oldest_unix_s = db_column_int(l.db, DB_SLICE_SUM, 2),
    };
    db_reset(l.db, DB_SLICE_SUM);
    return 0;
}

static int64_t read_rows(struct store *s, enum db_stmt id, const struct db_value *values,
                         struct store_slice *out, size_t room, struct err *err)
{
    int64_t count = 0;
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, id, values, err);
    for (; rc == 1 && count < (int64_t)room; rc = db_next(l.db, id, err)) {
        struct store_slice *row = &out[count++];
        *row = (struct store_slice){.bytes = db_column_int(l.db, id, 1)};
        (void)db_column_text(l.db, id, 0, row->name, sizeof row->name);
    }
    if (rc == 1)
        db_reset(l.db, id);
    return rc < 0 ? -1 : count;
}

int64_t store_slices_oldest(struct store *s, const char *place, struct store_slice *out, size_t room,
                            struct err *err)
{
    const struct db_value values[] = {DB_TEXT_VALUE(place), DB_INT_VALUE((int64_t)room)};
    return read_rows(s, DB_SLICE_OLDEST, values, out, room, err);
}

int64_t store_slices_list(struct store *s, const char *place, const struct store_slice_which *which,
                          struct store_slice *out, size_t room, struct err *err)
{
    const struct db_value values[] = {
        DB_TEXT_VALUE(place),        DB_TEXT_VALUE(which->site),
        DB_TEXT_VALUE(which->id),    DB_INT_VALUE(which->used_before_unix_s),
        DB_TEXT_VALUE(which->after), DB_INT_VALUE((int64_t)room),
    };
    return read_rows(s, DB_SLICE_LIST, values, out, room, err);
}
