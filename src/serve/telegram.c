/* See telegram.h. */
#include "serve/telegram.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "net/egress.h"
#include "store/rate.h"

enum {
    HASH_SHOWN = 16,
    PATH_ROOM = CACHE_FAILURE_MAX_BYTES + TELEGRAM_PATH_MAX,
    STALL_S = 600, /* a server passes on what it has got before it answers, without a word */
};

/* All other servers are the operator's own. */
static const char public_api[] = "https://api.telegram.org";

/* ---- Settings ---- */

static int check_texts(const char *api, const char *token, const char *chat, struct err *err)
{
    bool is_url = text_starts_with(api, "http://") || text_starts_with(api, "https://");
    if (!is_url || net_url_port(api) == 0 || strlen(api) > TELEGRAM_API_MAX || strpbrk(api, "?#@ "))
        return err_set(err, ERR_INTERNAL, "telegram_api_url must be like https://api.telegram.org");
    if (*token && !telegram_token_is_valid(token)) /* and is not shown */
        return err_set(err, ERR_INTERNAL,
                       "telegram_token must be like 110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw");
    if (*chat && !telegram_chat_is_valid(chat))
        return err_set(err, ERR_INTERNAL, "telegram_chat must be like -1001234567890 or @channel");
    if (*token && !*chat)
        return err_set(err, ERR_INTERNAL, "telegram_token needs a telegram_chat to send files to");
    return 0;
}

int telegram_check(const struct config *c, struct err *err)
{
    return check_texts(c->telegram_api_url, c->telegram_token, c->telegram_chat, err);
}

int telegram_check_value(const char *name, const char *value, struct err *err)
{
    bool is_token = strcmp(name, "telegram_token") == 0;
    bool is_chat = strcmp(name, "telegram_chat") == 0;
    return check_texts(public_api, is_token ? value : "", is_chat ? value : "@some", err);
}

uint64_t telegram_size_max(const struct config *c)
{
    int64_t up = c->telegram_upload_max;
    int64_t down = c->telegram_download_max;
    return (uint64_t)(up < down ? up : down);
}

int telegram_init(struct telegram *out, const struct config *c, struct net *net, struct store *store,
                  struct cache *cache, struct err *err)
{
    char hash[HASH_HEX_LEN + 1];
    const char *token = c->telegram_token; /* another one may take their place at any moment */
    const char *chat = c->telegram_chat;
    *out = (struct telegram){.net = net, .store = store, .cache = cache};
    if (!*token)
        return 0;
    if (check_texts(c->telegram_api_url, token, chat, err) < 0)
        return -1;
    (void)text_copy(out->api, sizeof out->api, c->telegram_api_url);
    (void)text_copy(out->token, sizeof out->token, token);
    (void)text_copy(out->chat, sizeof out->chat, chat);
    size_t slashes = strlen(out->api);
    while (slashes && out->api[slashes - 1] == '/')
        out->api[--slashes] = '\0';
    memcpy(out->bot, out->token, strcspn(out->token, ":"));
    hash_sha256_hex(out->token, strlen(out->token), hash);
    (void)snprintf(out->pause, sizeof out->pause, "telegram:%.*s", HASH_SHOWN, hash);
    (void)snprintf(out->denied, sizeof out->denied, "telegram-denied:%.*s", HASH_SHOWN, hash);
    out->egress = strcmp(out->api, public_api) == 0 ? "" : EGRESS_OWN;
    return 1;
}

/* ---- Pauses ---- */

/* Until when there is one under that name; 0: there is none. */
static int64_t pause_until_us(const struct telegram *t, const char *name)
{
    struct err ignored = {0};
    int64_t until_us = 0;
    const struct store_rate pause = {
        .subject = name, .now_unix_us = clock_unix_us(), .interval_us = 1, .capacity_us = 1};
    if (!t->store || store_rate_look(t->store, &pause, &until_us, &ignored) < 0)
        return 0;
    return until_us > pause.now_unix_us ? until_us : 0;
}

static int check_pause(const struct telegram *t, struct err *err)
{
    int64_t until_us = pause_until_us(t, t->pause);
    if (!until_us)
        return 0;
    err_fill(err, ERR_RATE_LIMITED_UPSTREAM, "Telegram is left in peace for now");
    err->retry_after_s = (int)((until_us - clock_unix_us()) / 1000000) + 1;
    return -1;
}

/* How long an error asks for one; `asked`: somebody waited for a short answer. */
static int pause_of(const struct err *why, bool asked)
{
    if (why->code == ERR_RATE_LIMITED_UPSTREAM)
        return why->retry_after_s > 0 ? why->retry_after_s : 1;
    if (why->code == ERR_FORBIDDEN)
        return TELEGRAM_DENIED_S;
    return asked && why->code == ERR_UPSTREAM_FAILED ? TELEGRAM_FAILED_S : 0;
}

static void note_pause(const struct telegram *t, const struct err *why, bool asked)
{
    struct err ignored = {0};
    bool denied = why->code == ERR_FORBIDDEN;
    int64_t now_us = clock_unix_us();
    int64_t until_us = now_us + pause_of(why, asked) * INT64_C(1000000);
    if (!t->store || until_us == now_us)
        return;
    if (store_rate_note(t->store, t->pause, now_us, until_us, &ignored) == 1)
        log_event(denied ? LOG_ERROR : LOG_WARN, "telegram-pauses", "error", why->text, NULL);
    if (denied)
        (void)store_rate_note(t->store, t->denied, now_us, until_us, &ignored);
}

const char *telegram_state(const struct telegram *t)
{
    return pause_until_us(t, t->denied) ? "denied" : pause_until_us(t, t->pause) ? "pausing" : "ok";
}

/* ---- Requests ---- */

/* By a server that knows the bot. */
static bool was_refused(const struct err *err)
{
    return err->upstream_status == 400 || err->upstream_status == 403;
}

typedef int read_fn(const struct telegram *t, const struct telegram_answer *answer, void *out,
                    struct err *err);

/* Adds the method's URL and asks. */
static int ask(const struct telegram *t, const char *method, struct net_call *call, read_fn *read, void *out,
               struct err *err)
{
    auto_(buf) struct buf url = BUF_INIT(TELEGRAM_URL_MAX);
    auto_(net_answer) struct net_answer got = {.status = 0};
    if (buf_addf(&url, "%s/bot%s/%s", t->api, t->token, method) < 0)
        return err_set(err, ERR_INTERNAL, "a URL that is too long");
    call->url = buf_str(&url);
    call->egress = t->egress;
    call->own = *t->egress != '\0';
    call->max_bytes = TELEGRAM_ANSWER_MAX_BYTES;
    if (net_call(t->net, call, &got, err) < 0)
        return -1;
    const struct telegram_answer answer = {
        .status = got.status,
        .body = buf_str(&got.body),
        .len = got.body.len,
        .retry_after_s = got.retry_after_s,
    };
    return read(t, &answer, out, err);
}

/* One with a few parameters, which this takes over. `may_fail`: it is refused (400, 403) for reasons of its
 * own. */
static int ask_json(const struct telegram *t, const char *method, json_t *parameters, bool may_fail,
                    read_fn *read, void *out, struct err *err)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    auto_ptr(char) char *body = parameters ? json_dumps(parameters, JSON_COMPACT) : NULL;
    json_decref(parameters);
    if (!body)
        return err_set(err, ERR_INTERNAL, "out of memory");
    struct net_call call = {
        .headers = headers, .body = body, .body_len = strlen(body), .timeout_ms = TELEGRAM_ASK_MS};
    if (check_pause(t, err) < 0)
        return -1;
    int rc = ask(t, method, &call, read, out, err);
    if (rc < 0 && !(may_fail && was_refused(err)))
        note_pause(t, err, true);
    return rc;
}

static int read_done(const struct telegram *t, const struct telegram_answer *answer, void *out,
                     struct err *err)
{
    (void)t;
    (void)out;
    return telegram_read_done(answer, err);
}

static int read_name(const struct telegram *t, const struct telegram_answer *answer, void *out,
                     struct err *err)
{
    (void)t;
    return telegram_read_name(answer, out, err);
}

static int read_rights(const struct telegram *t, const struct telegram_answer *answer, void *out,
                       struct err *err)
{
    (void)t;
    (void)out;
    return telegram_read_rights(answer, err);
}

static int read_path(const struct telegram *t, const struct telegram_answer *answer, void *out,
                     struct err *err)
{
    return telegram_read_path(answer, t->token, out, err);
}

static int read_sent(const struct telegram *t, const struct telegram_answer *answer, void *out,
                     struct err *err)
{
    (void)t;
    return telegram_read_sent(answer, out, err);
}

/* ---- Sending ---- */

/* The body of such a request: the form around the file. */
struct body {
    const struct telegram_form *form;
    const struct telegram_bytes *bytes;
    uint64_t at;  /* of all of it */
    uint64_t end; /* of the file in it */
    bool source_failed;
};

static size_t copy_part(const struct buf *part, uint64_t at, void *to, size_t room)
{
    size_t left = part->len - (size_t)at;
    size_t n = left < room ? left : room;
    memcpy(to, part->data + at, n);
    return n;
}

static int source_failed(struct body *b)
{
    b->source_failed = true;
    return -1;
}

static int read_body(void *ctx, void *to, size_t room, size_t *got, struct err *err)
{
    struct body *b = ctx;
    size_t head = b->form->head.len;
    if (b->at < head) {
        *got = copy_part(&b->form->head, b->at, to, room);
    } else if (b->at < b->end) {
        if (room > b->end - b->at)
            room = (size_t)(b->end - b->at);
        if (b->bytes->read(b->bytes->ctx, to, room, got, err) < 0)
            return source_failed(b);
        if (*got == 0 || *got > room) {
            err_fill(err, ERR_SOURCE_CHANGED, "the file to be sent is shorter than it was said to be");
            return source_failed(b);
        }
    } else {
        *got = copy_part(&b->form->tail, b->at - b->end, to, room);
    }
    b->at += *got;
    return 0;
}

int telegram_send(const struct telegram *t, const struct telegram_upload *upload,
                  const struct telegram_bytes *bytes, struct telegram_file *out, struct err *err)
{
    char type[TELEGRAM_TYPE_MAX + 16];
    const char *const headers[] = {type, NULL};
    auto_(telegram_form) struct telegram_form form = {.method = NULL};
    if (check_pause(t, err) < 0 || telegram_form_make(&form, upload, t->chat, err) < 0)
        return -1;
    (void)snprintf(type, sizeof type, "Content-Type: %s", form.type);
    struct body body = {.form = &form, .bytes = bytes, .end = form.head.len + upload->length};
    struct net_call call = {
        .headers = headers,
        .read_body = read_body,
        .read_ctx = &body,
        .body_len = form.length,
        .stall_s = STALL_S,
        .cancelled = bytes->cancelled,
    };
    if (ask(t, form.method, &call, read_sent, out, err) < 0) {
        if (!body.source_failed) /* whose pauses are not Telegram's */
            note_pause(t, err, false);
        return -1;
    }
    if (out->size_bytes == 0 || out->size_bytes == upload->length)
        return 0;
    struct err ignored = {0};
    (void)telegram_delete(t, t->chat, out->message, &ignored);
    return err_set(err, ERR_UPSTREAM_FAILED, "Telegram: %" PRIu64 " bytes were sent, and it has %" PRIu64,
                   upload->length, out->size_bytes);
}

/* ---- Files that are there ---- */

struct place {
    const struct telegram *t;
    const char *file_id;
};

/* A cache_produce_fn: the path alone, for the token is nobody's business. */
static int produce_path(void *ctx, struct buf *value, int64_t *expires_unix_s, struct err *err)
{
    const struct place *p = ctx;
    *expires_unix_s = clock_unix_s() + TELEGRAM_PATH_S;
    return ask_json(p->t, "getFile", json_pack("{s:s}", "file_id", p->file_id), true, read_path, value, err);
}

/* The path; `stale` (may be NULL) is not it any more. */
static int find_path(const struct telegram *t, const char *file_id, const struct buf *stale, struct buf *path,
                     struct err *err)
{
    struct place place = {t, file_id};
    char hash[HASH_HEX_LEN + 1];
    char key[HASH_HEX_LEN + 64];
    int64_t ignored;
    hash_sha256_hex(file_id, strlen(file_id), hash);
    (void)snprintf(key, sizeof key, "telegram:%s:%s", t->bot, hash);
    return t->cache ? cache_get(t->cache, key, stale, produce_path, &place, path, NULL, err)
                    : produce_path(&place, path, &ignored, err);
}

int telegram_locate(const struct telegram *t, const char *file_id, const char *stale, struct buf *url,
                    struct err *err)
{
    auto_(buf) struct buf root = BUF_INIT(TELEGRAM_URL_MAX);
    auto_(buf) struct buf dead = BUF_INIT(TELEGRAM_URL_MAX);
    auto_(buf) struct buf path = BUF_INIT(PATH_ROOM);
    if (buf_addf(&root, "%s/file/bot%s/", t->api, t->token) < 0)
        return err_set(err, ERR_INTERNAL, "a URL that is too long");
    bool knows = stale && text_starts_with(stale, buf_str(&root));
    if (knows)
        (void)buf_adds(&dead, stale + root.len);
    if (find_path(t, file_id, knows ? &dead : NULL, &path, err) < 0)
        return -1;
    if (buf_addf(url, "%s%s", buf_str(&root), buf_str(&path)) < 0)
        return err_set(err, ERR_INTERNAL, "a URL that is too long");
    return 0;
}

int telegram_verify(const struct telegram *t, const char *file_id, uint64_t size_bytes, struct err *err)
{
    auto_(buf) struct buf url = BUF_INIT(TELEGRAM_URL_MAX);
    auto_(net_answer) struct net_answer answer = {.status = 0};
    if (telegram_locate(t, file_id, NULL, &url, err) < 0)
        return err->code == ERR_NOT_FOUND || err->code == ERR_BAD_REQUEST ? -1 : 0;
    const struct net_call call = {
        .url = buf_str(&url),
        .max_bytes = 1,
        .range_length = 1,
        .timeout_ms = TELEGRAM_ASK_MS,
        .egress = t->egress,
        .own = *t->egress != '\0',
    };
    if (net_call(t->net, &call, &answer, err) < 0 || answer.status >= 500 || answer.status == 429)
        return 0;
    if ((answer.status == 200 || answer.status == 206) && answer.total_size == size_bytes)
        return 0;
    return err_set(
        err, ERR_UPSTREAM_FAILED,
        "Telegram: a file that was sent cannot be read again (%d): is /file/ served at telegram_api_url?",
        answer.status);
}

int telegram_delete(const struct telegram *t, const char *chat, int64_t message, struct err *err)
{
    json_t *which = json_pack("{s:s, s:I}", "chat_id", chat, "message_id", (json_int_t)message);
    int rc = ask_json(t, "deleteMessage", which, true, read_done, NULL, err);
    return rc < 0 && was_refused(err) ? 0 : rc;
}

int telegram_try(const struct telegram *t, struct buf *name, struct err *err)
{
    json_t *whom = json_pack("{s:s, s:s}", "chat_id", t->chat, "user_id", t->bot);
    if (ask_json(t, "getMe", json_object(), false, read_name, name, err) == 0)
        return ask_json(t, "getChatMember", whom, false, read_rights, NULL, err);
    json_decref(whom);
    return -1;
}
