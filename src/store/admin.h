/* Who may use the admin pages, their sessions, and what they have changed. Threads and errors as in store.h.
 */
#ifndef SLUICE_STORE_ADMIN_H
#define SLUICE_STORE_ADMIN_H

#include "store/store.h"

enum {
    STORE_ADMIN_NAME_MAX = 64,
    STORE_ADMIN_PASSWORD_MIN = 10,
    STORE_ADMIN_PASSWORD_MAX = 1000,
    STORE_ADMIN_HASH_LEN = 128,  /* of argon2id's text, at most */
    STORE_SESSION_TEXT_LEN = 43, /* 256 random bits in base64url */
    STORE_SESSION_MAX_S = 12 * 3600,
    STORE_SESSION_IDLE_S = 3600,
    STORE_LOGIN_FREE_FAILURES = 5,     /* wrong passwords in a row without a pause */
    STORE_LOGIN_PAUSE_MAX_S = 15 * 60, /* 2 s after them, then twice as long each time */
    STORE_AUDIT_SUBJECT_MAX = 200,
    STORE_AUDIT_TEXT_MAX = 8192,
};

struct store_admin {
    char name[STORE_ADMIN_NAME_MAX + 1];
    bool may_change; /* role admin; else viewer */
    bool active;
    int64_t created_unix_s, changed_unix_s;
};

/* Names: 1 to 64 of a-z, 0-9, '.', '-', '_'. */
bool store_admin_name_is_valid(const char *name);
/* 1 done, 0 the name is taken, -1: the name or the password (10 to 1,000 bytes) will not do
 * (ERR_BAD_REQUEST). */
int store_admin_create(struct store *s, const char *name, const char *password, bool may_change,
                       struct err *err);
/* Whether there is anybody; -1 error. */
int store_admin_exists(struct store *s, struct err *err);
/* 1 and *out: right and active; 0: not. Takes about as long for names that nobody has. Memory: 64 MiB each.
 */
int store_admin_check(struct store *s, const char *name, const char *password, struct store_admin *out,
                      struct err *err);
/* Ends all sessions but `keep` (the text of a cookie; NULL: all). 1 done, 0 there is none. */
int store_admin_set_password(struct store *s, const char *name, const char *password, const char *keep,
                             struct err *err);
/* One who is no longer active has no sessions any more. 1 done, 0: there is none, or no active admin would be
 * left. */
int store_admin_update(struct store *s, const char *name, bool may_change, bool active, struct err *err);
int store_admin_list(struct store *s, void (*each)(void *ctx, const struct store_admin *who), void *ctx,
                     struct err *err);

/* Before a password is looked at: notes that one is tried, as if it were wrong. 1 it may be; 0 not for
 * *wait_s. `subject`: "u:" and a name, or "a:" and a hash. Then, when it was right: forget. */
int store_login_try(struct store *s, const char *subject, int64_t now_unix_s, int *wait_s, struct err *err);
int store_login_forget(struct store *s, const char *subject, struct err *err);

struct store_session {
    char name[STORE_ADMIN_NAME_MAX + 1];
    bool may_change;
    int64_t created_unix_s, seen_unix_s;
};

/* `text` is for a cookie; the database knows only its hash. */
int store_session_begin(struct store *s, const char *name, char text[STORE_SESSION_TEXT_LEN + 1],
                        struct err *err);
/* 1 found and noted as seen, 0 there is none (any more), -1 error. */
int store_session_find(struct store *s, const char *text, struct store_session *out, struct err *err);
int store_session_end(struct store *s, const char *text, struct err *err);
/* All of that user's, but `keep` (as in store_admin_set_password()). */
int store_session_end_of(struct store *s, const char *name, const char *keep, struct err *err);

/* One line of the audit log. Texts borrowed; before and after: JSON, or "". */
struct store_audit {
    int64_t at_unix_us; /* set by store_audit_add() */
    const char *name, *action, *subject, *before, *after;
};

int store_audit_add(struct store *s, struct store_audit *line, struct err *err);
/* The newest `limit` before that time; `name` and `action` "": any. */
int store_audit_list(struct store *s, int64_t before_unix_us, const char *name, const char *action, int limit,
                     void (*each)(void *ctx, const struct store_audit *line), void *ctx, struct err *err);

/* Deletes what has expired. Part of store_prune(). */
int store_admin_prune(struct store *s, int64_t now_unix_s, struct err *err);

#endif
