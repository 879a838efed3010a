/* A Telegram channel as a place for files: a bot of the operator's sends them there, and reads them from
 * there. telegram_api.h is what is said; this says it.
 *
 * When Telegram asks for a pause, or does not know the token, that is noted in the store, under a hash of the
 * token: until then nobody asks, in any process on any host, and who would is told so at once (a stream then
 * takes the file from elsewhere). The token is in the URL of every request, so no error or log line names one
 * of them.
 *
 * Threads: all functions are safe from any; they block. */
#ifndef SLUICE_SERVE_TELEGRAM_H
#define SLUICE_SERVE_TELEGRAM_H

#include <stdatomic.h>

#include "base/config.h"
#include "cache/cache.h"
#include "net/net.h"
#include "serve/telegram_api.h"

enum {
    TELEGRAM_API_MAX = 511,
    TELEGRAM_ASK_MS = 4000, /* so long a stream waits for a file's place before the source is asked instead */
    TELEGRAM_PATH_S = 50 * 60, /* a file_path is good for an hour at least */
    TELEGRAM_DENIED_S = 60,    /* a token or a chat that does not work is tried again after that */
    TELEGRAM_FAILED_S = 10,    /* a server that does not answer */
    TELEGRAM_URL_MAX = TELEGRAM_API_MAX + 64 + TELEGRAM_TOKEN_MAX + TELEGRAM_PATH_MAX,
};

/* The settings as they are now, and what it takes. Borrows all but the texts. */
struct telegram {
    char api[TELEGRAM_API_MAX + 1]; /* "https://api.telegram.org" */
    char token[TELEGRAM_TOKEN_MAX + 1];
    char chat[TELEGRAM_CHAT_MAX + 1];
    char bot[TELEGRAM_BOT_MAX + 1]; /* its id: file_ids are good for one bot */
    char pause[64], denied[64];     /* what pauses, and their reason, are noted under */
    const char *egress;             /* net/egress.h */
    struct net *net;
    struct store *store;
    struct cache *cache;
};

/* Whether these settings can be used; both empty: there is no Telegram. ERR_INTERNAL. */
int telegram_check(const struct config *c, struct err *err);
/* The same of one of them, by its name; others are well. */
int telegram_check_value(const char *name, const char *value, struct err *err);
/* 1 *out is set, 0 there is no Telegram, -1 ERR_INTERNAL as telegram_check(). `store`, `cache` NULL: pauses
 * and places are not remembered. */
int telegram_init(struct telegram *out, const struct config *c, struct net *net, struct store *store,
                  struct cache *cache, struct err *err);
/* The most a file may have, to be sent and to be read again. */
uint64_t telegram_size_max(const struct config *c);

/* Sends a file; `read` gives its bytes, in order: at least one and at most `room`. Errors as in
 * telegram_api.h, those of `read`, or of the connection. ERR_UPSTREAM_FAILED: also when what has arrived is
 * not as long. */
struct telegram_bytes {
    int (*read)(void *ctx, void *to, size_t room, size_t *got, struct err *err);
    void *ctx;
    const atomic_bool *cancelled; /* may be NULL */
};
int telegram_send(const struct telegram *t, const struct telegram_upload *upload,
                  const struct telegram_bytes *bytes, struct telegram_file *out, struct err *err);

/* Appends where to read a file: a URL, with t->egress, that serves ranges. Remembered for TELEGRAM_PATH_S, by
 * all; `stale` (may be NULL) is one from here that has turned out to be dead. ERR_NOT_FOUND: the file is
 * gone. */
int telegram_locate(const struct telegram *t, const char *file_id, const char *stale, struct buf *url,
                    struct err *err);
/* Whether a file of that size can be read; -1: it cannot. When Telegram does not say, it can. */
int telegram_verify(const struct telegram *t, const char *file_id, uint64_t size_bytes, struct err *err);
/* Deletes a message of a chat, and with it a file. One that is not there, or that Telegram does not let go
 * any more, is well. */
int telegram_delete(const struct telegram *t, const char *chat, int64_t message, struct err *err);
/* How it has gone lately, anywhere: "ok", "pausing", "denied" (the token or the chat does not work). Static.
 */
const char *telegram_state(const struct telegram *t);
/* Whether the token is a bot's, and the bot may post in the chat; *name: the bot's. */
int telegram_try(const struct telegram *t, struct buf *name, struct err *err);

#endif
