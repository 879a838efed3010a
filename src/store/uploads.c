/* See uploads.h. */
#include "store/uploads.h"

#include <string.h>

#include "base/clock.h"
#include "store/internal.h"

int store_upload_put(struct store *s, const struct store_upload *upload, struct err *err)
{
    auto_(lease) struct lease l = {0};
    const struct db_value values[] = {
        DB_TEXT_VALUE(upload->job),    DB_TEXT_VALUE(upload->place),
        DB_TEXT_VALUE(upload->object), DB_TEXT_VALUE(upload->upload),
        DB_TEXT_VALUE(upload->etag),   DB_INT_VALUE((int64_t)upload->part_bytes),
        DB_INT_VALUE(clock_unix_s()),
    };
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    return db_run(l.db, DB_UPLOAD_PUT, values, err);
}

/* Of a statement that gives all columns. */
static int read_one(struct store *s, enum db_stmt id, const struct db_value *values, struct store_upload *out,
                    struct err *err)
{
    auto_(lease) struct lease l = {0};
    *out = (struct store_upload){.part_bytes = 0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, id, values, err);
    if (rc <= 0)
        return rc;
    rc = db_column_text(l.db, id, 0, out->job, sizeof out->job);
    rc |= db_column_text(l.db, id, 1, out->place, sizeof out->place);
    rc |= db_column_text(l.db, id, 2, out->object, sizeof out->object);
    rc |= db_column_text(l.db, id, 3, out->upload, sizeof out->upload);
    rc |= db_column_text(l.db, id, 4, out->etag, sizeof out->etag);
    out->part_bytes = (uint64_t)db_column_int(l.db, id, 5);
    db_reset(l.db, id);
    return rc == 0 ? 1 : err_set(err, ERR_INTERNAL, "an upload's row does not read");
}

int store_upload_get(struct store *s, const char *job, struct store_upload *out, struct err *err)
{
    return read_one(s, DB_UPLOAD_GET, (struct db_value[]){DB_TEXT_VALUE(job)}, out, err);
}

int store_upload_left(struct store *s, const char *place, int64_t over_ms, struct store_upload *out,
                      struct err *err)
{
    int64_t since_ms = clock_unix_us() / 1000 - over_ms;
    return read_one(s, DB_UPLOAD_LEFT, (struct db_value[]){DB_TEXT_VALUE(place), DB_INT_VALUE(since_ms)}, out,
                    err);
}

int store_upload_drop(struct store *s, const char *job, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    return db_run(l.db, DB_UPLOAD_DROP, (struct db_value[]){DB_TEXT_VALUE(job)}, err);
}
