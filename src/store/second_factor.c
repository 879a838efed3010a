/* See second_factor.h. */
#include "store/second_factor.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"
#include "store/internal.h"

/* 32 characters that nobody takes for one another when he copies them by hand. */
static const char characters[] = "abcdefghijkmnpqrstuvwxyz23456789";
_Static_assert(sizeof characters == 33, "a character is five random bits");

static void make_recovery(char out[STORE_RECOVERY_TEXT_LEN + 1])
{
    uint8_t random[STORE_RECOVERY_TEXT_LEN];
    hash_random(random, sizeof random);
    for (int i = 0; i < STORE_RECOVERY_TEXT_LEN; i++)
        out[i] = i == 4 || i == 9 ? '-' : characters[random[i] & 31];
    out[STORE_RECOVERY_TEXT_LEN] = '\0';
}

/* One leased connection for one statement; how many rows it changed. */
static int64_t change(struct store *s, enum db_stmt id, const struct db_value *values, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 || db_run(l.db, id, values, err) < 0)
        return -1;
    return db_changes(l.db);
}

struct factor {
    char secret[TOTP_SECRET_TEXT_LEN + 1];
    bool confirmed;
};

static int find(struct store *s, const char *name, struct factor *out, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_TOTP_FIND, (struct db_value[]){DB_TEXT_VALUE(name)}, err);
    if (rc <= 0)
        return rc;
    (void)db_column_text(l.db, DB_TOTP_FIND, 0, out->secret, sizeof out->secret);
    out->confirmed = db_column_int(l.db, DB_TOTP_FIND, 1) != 0;
    db_reset(l.db, DB_TOTP_FIND);
    return 1;
}

int store_totp_is_on(struct store *s, const char *name, struct err *err)
{
    struct factor f;
    int rc = find(s, name, &f, err);
    return rc == 1 ? f.confirmed : rc;
}

int store_totp_begin(struct store *s, const char *name, char text[TOTP_SECRET_TEXT_LEN + 1], struct err *err)
{
    uint8_t secret[TOTP_SECRET_BYTES];
    hash_random(secret, sizeof secret);
    totp_secret_text(secret, text);
    sodium_memzero(secret, sizeof secret);
    const struct db_value values[] = {DB_TEXT_VALUE(name), DB_TEXT_VALUE(text)};
    int64_t changed = change(s, DB_TOTP_BEGIN, values, err);
    return changed < 0 ? -1 : changed > 0;
}

/* The step that a code is of; -1: it is no code of that secret. */
static int64_t step_of(const struct factor *f, const char *code, int64_t now_unix_s)
{
    uint8_t secret[TOTP_SECRET_BYTES];
    int64_t step = totp_secret_read(f->secret, secret) < 0 ? -1 : totp_find(secret, code, now_unix_s);
    sodium_memzero(secret, sizeof secret);
    return step;
}

static void hash_recovery(const char *name, const char *code, char out[HASH_HEX_LEN + 1])
{
    char text[256];
    (void)snprintf(text, sizeof text, "recovery:%s:%s", name, code);
    hash_sha256_hex(text, strlen(text), out);
}

struct confirmation {
    const char *name, *secret;
    char (*recovery)[STORE_RECOVERY_TEXT_LEN + 1];
    int64_t step;
    bool done;
};

static int confirm(struct db *db, void *ctx, struct err *err)
{
    struct confirmation *c = ctx;
    const struct db_value values[] = {DB_INT_VALUE(c->step), DB_TEXT_VALUE(c->name),
                                      DB_TEXT_VALUE(c->secret)};
    if (db_run(db, DB_TOTP_CONFIRM, values, err) < 0)
        return -1;
    c->done = db_changes(db) > 0;
    if (!c->done)
        return 0;
    if (db_run(db, DB_RECOVERY_FORGET, (struct db_value[]){DB_TEXT_VALUE(c->name)}, err) < 0)
        return -1;
    for (int i = 0; i < STORE_RECOVERY_CODES; i++) {
        char hash[HASH_HEX_LEN + 1];
        make_recovery(c->recovery[i]);
        hash_recovery(c->name, c->recovery[i], hash);
        if (db_run(db, DB_RECOVERY_ADD, (struct db_value[]){DB_TEXT_VALUE(c->name), DB_TEXT_VALUE(hash)},
                   err) < 0)
            return -1;
    }
    return 0;
}

int store_totp_confirm(struct store *s, const char *name, const char *code, int64_t now_unix_s,
                       char recovery[STORE_RECOVERY_CODES][STORE_RECOVERY_TEXT_LEN + 1], struct err *err)
{
    struct factor f;
    int rc = find(s, name, &f, err);
    if (rc <= 0)
        return rc;
    struct confirmation c = {name, f.secret, recovery, step_of(&f, code, now_unix_s), false};
    if (f.confirmed || c.step < 0)
        return 0;
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 || db_transact(l.db, confirm, &c, err) < 0)
        return -1;
    return c.done;
}

static int count_recovery(struct store *s, const char *name, int *left, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 ||
        db_run(l.db, DB_RECOVERY_COUNT, (struct db_value[]){DB_TEXT_VALUE(name)}, err) < 0)
        return -1;
    *left = (int)db_column_int(l.db, DB_RECOVERY_COUNT, 0);
    db_reset(l.db, DB_RECOVERY_COUNT);
    return 0;
}

int store_totp_use(struct store *s, const char *name, const char *code, int64_t now_unix_s, int *left,
                   struct err *err)
{
    struct factor f;
    char hash[HASH_HEX_LEN + 1];
    int64_t used;
    int rc = find(s, name, &f, err);
    if (rc <= 0 || !f.confirmed)
        return rc < 0 ? -1 : 0;
    int64_t step = step_of(&f, code, now_unix_s);
    if (step >= 0) {
        used = change(s, DB_TOTP_USE, (struct db_value[]){DB_INT_VALUE(step), DB_TEXT_VALUE(name)}, err);
    } else {
        if (strnlen(code, STORE_RECOVERY_TEXT_LEN + 1) != STORE_RECOVERY_TEXT_LEN)
            return 0;
        hash_recovery(name, code, hash);
        used = change(s, DB_RECOVERY_USE, (struct db_value[]){DB_TEXT_VALUE(name), DB_TEXT_VALUE(hash)}, err);
    }
    return used < 0 || count_recovery(s, name, left, err) < 0 ? -1 : used > 0;
}

struct switching_off {
    const char *name;
    bool done;
};

static int switch_off(struct db *db, void *ctx, struct err *err)
{
    struct switching_off *o = ctx;
    const struct db_value name[] = {DB_TEXT_VALUE(o->name)};
    if (db_run(db, DB_TOTP_FORGET, name, err) < 0)
        return -1;
    o->done = db_changes(db) > 0;
    return db_run(db, DB_RECOVERY_FORGET, name, err);
}

int store_totp_off(struct store *s, const char *name, struct err *err)
{
    struct switching_off o = {name, false};
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 || db_transact(l.db, switch_off, &o, err) < 0)
        return -1;
    return o.done;
}
