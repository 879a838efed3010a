/* Telegram's Bot API, as far as Sluice speaks it: what is sent and what is answered, as texts. No I/O, no
 * state; threads: any. Answers are hostile, whoever's server they come from.
 *
 * Facts (core.telegram.org/bots/api, tdlib/telegram-bot-api): a file is sent as multipart/form-data, to a
 * chat that the bot may post in, and gets a `file_id`, good for this bot for ever, as long as the message is
 * there. getFile answers for it with a `file_path`, good for an hour at least, from which it is read by HTTP.
 * A server of one's own run with --local answers with an absolute path on its disk, of which what follows the
 * bot's directory counts. */
#ifndef SLUICE_SERVE_TELEGRAM_API_H
#define SLUICE_SERVE_TELEGRAM_API_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    TELEGRAM_TOKEN_MAX = 128,
    TELEGRAM_BOT_MAX = 20, /* digits of a bot's id, which its token begins with */
    TELEGRAM_CHAT_MAX = 64,
    TELEGRAM_FILE_ID_MAX = 256, /* bytes; about 80 are usual */
    TELEGRAM_PATH_MAX = 512,
    TELEGRAM_TYPE_MAX = 96,
    TELEGRAM_ANSWER_MAX_BYTES = 256 * 1024, /* of JSON */
};

/* "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw" */
bool telegram_token_is_valid(const char *token);
/* "-1001234567890", "@channel" */
bool telegram_chat_is_valid(const char *chat);

/* ---- Sending ---- */

/* A file to be sent; texts borrowed. */
struct telegram_upload {
    const char *name; /* with its extension; clean (http_file_name()) */
    const char
        *mime; /* decides how it is sent: MP4 as a video, M4A and MP3 as audio, all else as a document */
    const char *title;     /* of audio; may be NULL */
    const char *performer; /* may be NULL */
    uint64_t duration_ms;  /* 0 unknown */
    int width, height;     /* 0 unknown */
    uint64_t length;
};

/* What goes before and behind its bytes: telegram_form_fini(). */
struct telegram_form {
    const char *method;           /* "sendVideo" */
    char type[TELEGRAM_TYPE_MAX]; /* of the request: multipart/form-data with its boundary */
    struct buf head, tail;
    uint64_t length; /* of all of it: exact */
};
int telegram_form_make(struct telegram_form *out, const struct telegram_upload *upload, const char *chat,
                       struct err *err);
void telegram_form_fini(struct telegram_form *form);
DEFINE_AUTO(telegram_form, telegram_form_fini)

/* ---- Answers ---- */

struct telegram_answer {
    int status;
    const char *body;
    size_t len;
    int retry_after_s; /* of the header field; 0: there is none */
};

/* What a file that was sent can be found by. */
struct telegram_file {
    char id[TELEGRAM_FILE_ID_MAX + 1];
    int64_t message;     /* its number in the chat */
    uint64_t size_bytes; /* 0: not told */
};

/* All of these give the error that an answer tells of:
 *   ERR_FORBIDDEN              the token is nobody's, or the bot may not post there: a matter of settings
 *   ERR_NOT_FOUND              the file is gone, or was never this bot's
 *   ERR_BAD_REQUEST            it is larger than the server takes or gives
 *   ERR_RATE_LIMITED_UPSTREAM  too many: not before retry_after_s
 *   ERR_UPSTREAM_FAILED        anything else, also what is no answer of this API */
int telegram_read_sent(const struct telegram_answer *answer, struct telegram_file *out, struct err *err);
/* Appends the path below "/file/bot<token>/", clean for a URL. */
int telegram_read_path(const struct telegram_answer *answer, const char *token, struct buf *out,
                       struct err *err);
/* Of getMe: the bot's user name. */
int telegram_read_name(const struct telegram_answer *answer, struct buf *out, struct err *err);
/* Of getChatMember, about the bot: 0 where it may post. */
int telegram_read_rights(const struct telegram_answer *answer, struct err *err);
/* Of anything whose result does not matter. */
int telegram_read_done(const struct telegram_answer *answer, struct err *err);

#endif
