/* See token_mark.h. */
#include "store/token_mark.h"

#include <string.h>

#include "base/clock.h"
#include "store/internal.h"

enum { DAY_S = 86400 };

void store_token_id(const char *token, char id[STORE_TOKEN_ID_LEN + 1])
{
    char hex[HASH_HEX_LEN + 1];
    hash_sha256_hex(token, strlen(token), hex);
    memcpy(id, hex, STORE_TOKEN_ID_LEN);
    id[STORE_TOKEN_ID_LEN] = '\0';
}

static int look(struct db *db, const char *id, struct store_token_mark *mark, struct err *err)
{
    *mark = (struct store_token_mark){0};
    int rc = db_run(db, DB_TOKEN_MARK_GET, (struct db_value[]){DB_TEXT_VALUE(id)}, err);
    if (rc <= 0)
        return rc;
    size_t len;
    const void *holder = db_column_blob(db, DB_TOKEN_MARK_GET, 1, &len);
    mark->revoked = db_column_int(db, DB_TOKEN_MARK_GET, 0) != 0;
    mark->holder_day = db_column_int(db, DB_TOKEN_MARK_GET, 2);
    mark->done_unix_s = db_column_int(db, DB_TOKEN_MARK_GET, 3);
    if (holder && len < sizeof mark->holder)
        memcpy(mark->holder, holder, len);
    db_reset(db, DB_TOKEN_MARK_GET);
    return 0;
}

int store_token_look(struct store *s, const char *id, struct store_token_mark *mark, struct err *err)
{
    auto_(lease) struct lease l = {0};
    return lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0 ? -1 : look(l.db, id, mark, err);
}

int store_token_revoke(struct store *s, const char *id, int64_t until_unix_s, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    return db_run(l.db, DB_TOKEN_MARK_REVOKE,
                  (struct db_value[]){DB_TEXT_VALUE(id), DB_INT_VALUE(until_unix_s)}, err);
}

int store_token_claim(struct store *s, const char *id, int64_t until_unix_s, const char *holder,
                      struct store_token_mark *mark, struct err *err)
{
    const int64_t today = clock_unix_s() / DAY_S;
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0 || look(l.db, id, mark, err) < 0)
        return -1;
    if (!*mark->holder || mark->holder_day < today) {
        const struct db_value values[] = {DB_TEXT_VALUE(id), DB_INT_VALUE(until_unix_s),
                                          DB_TEXT_VALUE(holder), DB_INT_VALUE(today)};
        if (db_run(l.db, DB_TOKEN_MARK_CLAIM, values, err) < 0 || look(l.db, id, mark, err) < 0)
            return -1;
    }
    return strcmp(mark->holder, holder) == 0;
}

int store_token_sent(struct store *s, const char *id, uint64_t bytes, uint64_t of_bytes, bool at_end,
                     struct err *err)
{
    auto_(lease) struct lease l = {0};
    const struct db_value values[] = {
        DB_INT_VALUE((int64_t)bytes), DB_INT_VALUE(at_end), DB_INT_VALUE((int64_t)of_bytes),
        DB_INT_VALUE(clock_unix_s()), DB_TEXT_VALUE(id),
    };
    return lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0
               ? -1
               : db_run(l.db, DB_TOKEN_MARK_SENT, values, err);
}
