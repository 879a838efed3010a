/* What went wrong, in one struct that the caller owns.
 *
 * A function that can fail returns 0 or -1 and fills `struct err`. `code` is the stable name clients see; the
 * one table in err.c maps it to HTTP status, title, public sentence and whether a retry may help. `text` is
 * for the log only: it may quote hostile upstream text and never reaches a client, unless `is_public`
 * says so. Threads: a struct err belongs to one thread. No function here allocates. */
#ifndef SLUICE_BASE_ERR_H
#define SLUICE_BASE_ERR_H

#include <stdbool.h>

/* The codes of the HTTP contract, plus ERR_OK. The order is not part of any format; the names are. */
enum err_code {
    ERR_OK = 0,
    ERR_BAD_REQUEST, /* malformed request that no better code names */
    ERR_BAD_METHOD,
    ERR_BAD_URL,
    ERR_UNSUPPORTED_SITE,
    ERR_NOT_FOUND,
    ERR_PRIVATE,
    ERR_AGE_RESTRICTED,
    ERR_GEO_BLOCKED,
    ERR_MEMBERS_ONLY,
    ERR_PAID,
    ERR_PREMIUM,
    ERR_UPCOMING,
    ERR_LIVE,
    ERR_DRM,
    ERR_BOT_CHECK,
    ERR_RATE_LIMITED_UPSTREAM,
    ERR_UPSTREAM_FAILED,
    ERR_REFUSED_ADDRESS,
    ERR_NO_SUCH_CHOICE,
    ERR_BAD_RANGE,
    ERR_PRECONDITION_FAILED, /* If-Match names another version of the file */
    ERR_SOURCE_CHANGED,      /* while it was being fetched; asked for again, the new version comes */
    ERR_STORAGE_REFUSED,     /* where uploads go: our credentials, or their rights */
    ERR_STORAGE_MISSING,
    ERR_STORAGE_FULL,
    ERR_AUTH_REQUIRED,
    ERR_BAD_KEY,
    ERR_KEY_DISABLED,
    ERR_SITE_NOT_ALLOWED, /* for this key */
    ERR_BAD_LOGIN,
    ERR_CODE_REQUIRED, /* of the second factor */
    ERR_FORBIDDEN,
    ERR_QUOTA_EXCEEDED,
    ERR_BUSY,
    ERR_MAINTENANCE,
    ERR_TOKEN_EXPIRED,
    ERR_TOKEN_INVALID,
    ERR_INTERNAL,
    ERR_CODE_COUNT
};

struct err {
    enum err_code code;
    int upstream_status; /* HTTP status of the upstream answer that caused it; 0 when there was none */
    int retry_after_s;   /* hint for Retry-After; 0 = none */
    int queue_position;  /* place in line of somebody who came now; 0 = there is none */
    bool is_public;      /* `text` is what the operator wrote for clients to read */
    char text[256];      /* for the log: cut at the end, always terminated */
};

/* One row of the table: everything public about a code. All strings are static. */
struct err_info {
    const char *name;  /* "bad_url" */
    int status;        /* HTTP status */
    bool retryable;    /* the same request may succeed later */
    const char *title; /* short, RFC 9457 `title` */
    const char *text;  /* one human sentence, RFC 9457 `detail` */
};

/* Never NULL; an unknown code gives the row of ERR_INTERNAL. */
const struct err_info *err_info(enum err_code code);
/* The code of a name as in err_info()->name; ERR_INTERNAL for an unknown one. */
enum err_code err_code_of(const char *name);

/* Fills *err (NULL is allowed). */
void err_fill(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* err_fill(), then the value -1: `return err_set(err, ERR_X, "…")`. A macro, so that every reader of the
 * code, the static analyzers included, sees that it is never anything else. */
#define err_set(err, ...)                                                                                    \
    __extension__({                                                                                          \
        err_fill((err), __VA_ARGS__);                                                                        \
        -1;                                                                                                  \
    })

#endif
