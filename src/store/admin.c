/* See admin.h. */
#include "store/admin.h"

#include <sodium.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "store/internal.h"

enum { SESSION_BYTES = 32, SEEN_EVERY_S = 60, FAILURES_KEPT_S = 24 * 3600, TRIES_FOR_TIME = 100 };

_Static_assert(STORE_ADMIN_HASH_LEN == crypto_pwhash_STRBYTES, "argon2id's text");

/* --- users --- */

bool store_admin_name_is_valid(const char *name)
{
    size_t len = strlen(name);
    return len >= 1 && len <= STORE_ADMIN_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == len;
}

static int hash_password(const char *password, char out[STORE_ADMIN_HASH_LEN], struct err *err)
{
    size_t len = strnlen(password, STORE_ADMIN_PASSWORD_MAX + 1);
    if (len < STORE_ADMIN_PASSWORD_MIN || len > STORE_ADMIN_PASSWORD_MAX)
        return err_set(err, ERR_BAD_REQUEST, "a password has %d to %d bytes", STORE_ADMIN_PASSWORD_MIN,
                       STORE_ADMIN_PASSWORD_MAX);
    if (crypto_pwhash_str(out, password, len, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0)
        return err_set(err, ERR_BUSY, "no memory for a password");
    return 0;
}

static const char *role_name(bool may_change)
{
    return may_change ? "admin" : "viewer";
}

int store_admin_create(struct store *s, const char *name, const char *password, bool may_change,
                       struct err *err)
{
    char hash[STORE_ADMIN_HASH_LEN];
    int64_t now = clock_unix_s();
    if (!store_admin_name_is_valid(name))
        return err_set(err, ERR_BAD_REQUEST, "a name has 1 to %d of a-z, 0-9, '.', '-' and '_'",
                       STORE_ADMIN_NAME_MAX);
    if (hash_password(password, hash, err) < 0)
        return -1;
    auto_(lease) struct lease l = {0};
    const struct db_value values[] = {
        DB_TEXT_VALUE(name), DB_TEXT_VALUE(hash), DB_TEXT_VALUE(role_name(may_change)),
        DB_INT_VALUE(1),     DB_INT_VALUE(now),   DB_INT_VALUE(now),
    };
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 || db_run(l.db, DB_ADMIN_ADD, values, err) < 0)
        return -1;
    return db_changes(l.db) > 0;
}

int store_admin_exists(struct store *s, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_ADMIN_COUNT, NULL, err);
    if (rc <= 0)
        return rc;
    rc = db_column_int(l.db, DB_ADMIN_COUNT, 0) > 0;
    db_reset(l.db, DB_ADMIN_COUNT);
    return rc;
}

static void read_admin(struct db *db, enum db_stmt id, struct store_admin *out,
                       char hash[STORE_ADMIN_HASH_LEN])
{
    char role[16];
    (void)db_column_text(db, id, 0, out->name, sizeof out->name);
    (void)db_column_text(db, id, 1, hash, STORE_ADMIN_HASH_LEN);
    (void)db_column_text(db, id, 2, role, sizeof role);
    out->may_change = strcmp(role, role_name(true)) == 0;
    out->active = db_column_int(db, id, 3) != 0;
    out->created_unix_s = db_column_int(db, id, 4);
    out->changed_unix_s = db_column_int(db, id, 5);
}

static int find_admin(struct store *s, const char *name, struct store_admin *out,
                      char hash[STORE_ADMIN_HASH_LEN], struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_ADMIN_FIND, (struct db_value[]){DB_TEXT_VALUE(name)}, err);
    if (rc <= 0)
        return rc;
    read_admin(l.db, DB_ADMIN_FIND, out, hash);
    db_reset(l.db, DB_ADMIN_FIND);
    return 1;
}

/* Of nobody's password: what is checked where there is no such user, so that it takes as long. */
static const char nobody[] = "$argon2id$v=19$m=65536,t=2,p=1$c2x1aWNlc2x1aWNlc2x1aQ$"
                             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

int store_admin_check(struct store *s, const char *name, const char *password, struct store_admin *out,
                      struct err *err)
{
    char hash[STORE_ADMIN_HASH_LEN] = "";
    size_t len = strnlen(password, STORE_ADMIN_PASSWORD_MAX + 1);
    int found = store_admin_name_is_valid(name) ? find_admin(s, name, out, hash, err) : 0;
    if (found < 0)
        return -1;
    if (!found)
        (void)text_copy(hash, sizeof hash, nobody);
    bool right = len <= STORE_ADMIN_PASSWORD_MAX && crypto_pwhash_str_verify(hash, password, len) == 0;
    return found && right && out->active;
}

static void hash_session(const char *text, char out[HASH_HEX_LEN + 1])
{
    hash_sha256_hex(text, strlen(text), out);
}

struct password_change {
    const char *name, *hash, *keep;
    bool done;
};

static int change_password(struct db *db, void *ctx, struct err *err)
{
    struct password_change *c = ctx;
    const struct db_value values[] = {DB_TEXT_VALUE(c->hash), DB_INT_VALUE(clock_unix_s()),
                                      DB_TEXT_VALUE(c->name)};
    if (db_run(db, DB_ADMIN_PASSWORD, values, err) < 0)
        return -1;
    c->done = db_changes(db) > 0;
    return db_run(db, DB_SESSION_END_OF, (struct db_value[]){DB_TEXT_VALUE(c->name), DB_TEXT_VALUE(c->keep)},
                  err);
}

int store_admin_set_password(struct store *s, const char *name, const char *password, const char *keep,
                             struct err *err)
{
    char hash[STORE_ADMIN_HASH_LEN];
    char kept[HASH_HEX_LEN + 1] = "";
    auto_(lease) struct lease l = {0};
    if (keep)
        hash_session(keep, kept);
    struct password_change change = {name, hash, kept, false};
    if (hash_password(password, hash, err) < 0 || lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 ||
        db_transact(l.db, change_password, &change, err) < 0)
        return -1;
    return change.done;
}

int store_admin_update(struct store *s, const char *name, bool may_change, bool active, struct err *err)
{
    auto_(lease) struct lease l = {0};
    const struct db_value values[] = {DB_TEXT_VALUE(role_name(may_change)), DB_INT_VALUE(active),
                                      DB_TEXT_VALUE(name)};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 ||
        db_run(l.db, DB_ADMIN_UPDATE, values, err) < 0)
        return -1;
    return db_changes(l.db) > 0; /* sessions of one who is not active are not found */
}

int store_admin_list(struct store *s, void (*each)(void *ctx, const struct store_admin *who), void *ctx,
                     struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_ADMIN_LIST, NULL, err);
    for (; rc == 1; rc = db_next(l.db, DB_ADMIN_LIST, err)) {
        struct store_admin who;
        char hash[STORE_ADMIN_HASH_LEN];
        read_admin(l.db, DB_ADMIN_LIST, &who, hash);
        each(ctx, &who);
    }
    return rc;
}

/* --- wrong passwords --- */

struct login_try {
    const char *subject;
    int64_t now_unix_s;
    int wait_s;
};

static int64_t pause_after(int64_t failures)
{
    int64_t over = failures - STORE_LOGIN_FREE_FAILURES;
    int64_t pause_s = over < 0 ? 0 : over > 9 ? STORE_LOGIN_PAUSE_MAX_S : INT64_C(2) << over;
    return pause_s < STORE_LOGIN_PAUSE_MAX_S ? pause_s : STORE_LOGIN_PAUSE_MAX_S;
}

static int try_login(struct db *db, void *ctx, struct err *err)
{
    struct login_try *t = ctx;
    const struct db_value subject[] = {DB_TEXT_VALUE(t->subject)};
    int64_t until = 0;
    t->wait_s = 0;
    int rc = db_run(db, DB_LOGIN_FAILURE_GET, subject, err);
    if (rc < 0)
        return -1;
    if (rc == 1) {
        until = db_column_int(db, DB_LOGIN_FAILURE_GET, 1) +
                pause_after(db_column_int(db, DB_LOGIN_FAILURE_GET, 0));
        db_reset(db, DB_LOGIN_FAILURE_GET);
    }
    if (until > t->now_unix_s) {
        int64_t left = until - t->now_unix_s;
        t->wait_s = left < STORE_LOGIN_PAUSE_MAX_S ? (int)left : STORE_LOGIN_PAUSE_MAX_S;
        return 0;
    }
    return db_run(db, DB_LOGIN_FAILURE_ADD,
                  (struct db_value[]){DB_TEXT_VALUE(t->subject), DB_INT_VALUE(t->now_unix_s)}, err);
}

int store_login_try(struct store *s, const char *subject, int64_t now_unix_s, int *wait_s, struct err *err)
{
    struct login_try t = {subject, now_unix_s, 0};
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 || db_transact(l.db, try_login, &t, err) < 0)
        return -1;
    *wait_s = t.wait_s;
    return t.wait_s == 0;
}

static int run(struct store *s, enum db_stmt id, const struct db_value *values, struct err *err)
{
    auto_(lease) struct lease l = {0};
    return lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 ? -1 : db_run(l.db, id, values, err);
}

int store_login_forget(struct store *s, const char *subject, struct err *err)
{
    return run(s, DB_LOGIN_FAILURE_FORGET, (struct db_value[]){DB_TEXT_VALUE(subject)}, err);
}

/* --- sessions --- */

int store_session_begin(struct store *s, const char *name, char text[STORE_SESSION_TEXT_LEN + 1],
                        struct err *err)
{
    uint8_t secret[SESSION_BYTES];
    char id[HASH_HEX_LEN + 1];
    auto_(buf) struct buf coded = BUF_INIT(64);
    hash_random(secret, sizeof secret);
    if (hash_base64url(&coded, secret, sizeof secret) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    (void)text_copy(text, STORE_SESSION_TEXT_LEN + 1, buf_str(&coded));
    hash_session(text, id);
    return run(s, DB_SESSION_ADD,
               (struct db_value[]){DB_TEXT_VALUE(id), DB_TEXT_VALUE(name), DB_INT_VALUE(clock_unix_s())},
               err);
}

int store_session_find(struct store *s, const char *text, struct store_session *out, struct err *err)
{
    char id[HASH_HEX_LEN + 1];
    char role[16];
    int64_t now = clock_unix_s();
    auto_(lease) struct lease l = {0};
    if (strnlen(text, STORE_SESSION_TEXT_LEN + 1) != STORE_SESSION_TEXT_LEN)
        return 0;
    hash_session(text, id);
    const struct db_value values[] = {DB_TEXT_VALUE(id), DB_INT_VALUE(now - STORE_SESSION_MAX_S),
                                      DB_INT_VALUE(now - STORE_SESSION_IDLE_S)};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_SESSION_FIND, values, err);
    if (rc <= 0)
        return rc;
    (void)db_column_text(l.db, DB_SESSION_FIND, 0, out->name, sizeof out->name);
    (void)db_column_text(l.db, DB_SESSION_FIND, 1, role, sizeof role);
    out->may_change = strcmp(role, role_name(true)) == 0;
    out->created_unix_s = db_column_int(l.db, DB_SESSION_FIND, 2);
    out->seen_unix_s = db_column_int(l.db, DB_SESSION_FIND, 3);
    db_reset(l.db, DB_SESSION_FIND);
    if (now - out->seen_unix_s >= SEEN_EVERY_S &&
        db_run(l.db, DB_SESSION_SEEN, (struct db_value[]){DB_INT_VALUE(now), DB_TEXT_VALUE(id)}, err) < 0)
        return -1;
    return 1;
}

int store_session_end(struct store *s, const char *text, struct err *err)
{
    char id[HASH_HEX_LEN + 1];
    hash_session(text, id);
    return run(s, DB_SESSION_END, (struct db_value[]){DB_TEXT_VALUE(id)}, err);
}

int store_session_end_of(struct store *s, const char *name, const char *keep, struct err *err)
{
    char kept[HASH_HEX_LEN + 1] = "";
    if (keep)
        hash_session(keep, kept);
    return run(s, DB_SESSION_END_OF, (struct db_value[]){DB_TEXT_VALUE(name), DB_TEXT_VALUE(kept)}, err);
}

/* --- audit --- */

int store_audit_add(struct store *s, struct store_audit *line, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    line->at_unix_us = clock_unix_us();
    for (int i = 0; i < TRIES_FOR_TIME; i++, line->at_unix_us++) {
        const struct db_value values[] = {
            DB_INT_VALUE(line->at_unix_us), DB_TEXT_VALUE(line->name),   DB_TEXT_VALUE(line->action),
            DB_TEXT_VALUE(line->subject),   DB_TEXT_VALUE(line->before), DB_TEXT_VALUE(line->after),
        };
        if (db_run(l.db, DB_AUDIT_ADD, values, err) < 0)
            return -1;
        if (db_changes(l.db) > 0)
            return 0;
    }
    return err_set(err, ERR_BUSY, "no place in the audit log");
}

int store_audit_list(struct store *s, int64_t before_unix_us, const char *name, const char *action, int limit,
                     void (*each)(void *ctx, const struct store_audit *line), void *ctx, struct err *err)
{
    auto_(lease) struct lease l = {0};
    const struct db_value values[] = {DB_INT_VALUE(before_unix_us), DB_TEXT_VALUE(name),
                                      DB_TEXT_VALUE(action), DB_INT_VALUE(limit)};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_AUDIT_LIST, values, err);
    for (; rc == 1; rc = db_next(l.db, DB_AUDIT_LIST, err)) {
        char who[STORE_ADMIN_NAME_MAX + 1];
        char what[64];
        char subject[STORE_AUDIT_SUBJECT_MAX + 1];
        char before[STORE_AUDIT_TEXT_MAX + 1];
        char after[STORE_AUDIT_TEXT_MAX + 1];
        (void)db_column_text(l.db, DB_AUDIT_LIST, 1, who, sizeof who);
        (void)db_column_text(l.db, DB_AUDIT_LIST, 2, what, sizeof what);
        (void)db_column_text(l.db, DB_AUDIT_LIST, 3, subject, sizeof subject);
        (void)db_column_text(l.db, DB_AUDIT_LIST, 4, before, sizeof before);
        (void)db_column_text(l.db, DB_AUDIT_LIST, 5, after, sizeof after);
        each(ctx,
             &(struct store_audit){db_column_int(l.db, DB_AUDIT_LIST, 0), who, what, subject, before, after});
    }
    return rc;
}

int store_admin_prune(struct store *s, int64_t now_unix_s, struct err *err)
{
    const struct db_value sessions[] = {DB_INT_VALUE(now_unix_s - STORE_SESSION_MAX_S),
                                        DB_INT_VALUE(now_unix_s - STORE_SESSION_IDLE_S)};
    const struct db_value failures[] = {DB_INT_VALUE(now_unix_s - FAILURES_KEPT_S)};
    return run(s, DB_SESSION_PRUNE, sessions, err) < 0 || run(s, DB_LOGIN_FAILURE_PRUNE, failures, err) < 0
               ? -1
               : 0;
}
