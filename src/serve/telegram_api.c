/* See telegram_api.h. */
#include "serve/telegram_api.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"

enum {
    BOUNDARY_LEN = 32, /* 128 random bits: a file has them in it about as often as two UUIDs are the same */
    FORM_MAX_BYTES = 16 * 1024,
    SIZE_MAX_BITS = 50,
    RETRY_MAX_S = 86400, /* more is asked of accounts, not of bots */
};

static const char digits[] = "0123456789";
static const char word[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

bool telegram_token_is_valid(const char *token)
{
    size_t bot = strspn(token, digits);
    size_t len = strlen(token);
    return bot > 0 && bot <= TELEGRAM_BOT_MAX && token[bot] == ':' && len > bot + 1 &&
           len <= TELEGRAM_TOKEN_MAX && strspn(token + bot + 1, base64url) == len - bot - 1;
}

bool telegram_chat_is_valid(const char *chat)
{
    const char *rest = chat + (*chat == '-' || *chat == '@');
    const char *set = *chat == '@' ? word : digits;
    size_t len = strlen(rest);
    return len > 0 && len < TELEGRAM_CHAT_MAX && strspn(rest, set) == len;
}

/* ---- Sending ---- */

/* A kind of message: the others are for what Telegram can play itself. */
struct kind {
    const char *mime, *method, *field;
};
static const struct kind document = {"", "sendDocument", "document"};
static const struct kind *kind_of(const char *mime)
{
    static const struct kind kinds[] = {
        {"video/mp4", "sendVideo", "video"},
        {"audio/mp4", "sendAudio", "audio"},
        {"audio/mpeg", "sendAudio", "audio"},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].mime, mime) == 0)
            return &kinds[i];
    }
    return &document;
}

/* A file's name within quotes, as browsers write it: RFC 7578 and the HTML standard. */
static void add_quoted(struct buf *out, const char *name)
{
    for (; *name; name++) {
        if (*name == '"' || *name == '\r' || *name == '\n')
            (void)buf_addf(out, "%%%02X", (unsigned)(unsigned char)*name);
        else
            (void)buf_addc(out, *name);
    }
}

static void add_field(struct buf *out, const char *boundary, const char *name, const char *value)
{
    (void)buf_addf(out, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n", boundary, name);
    (void)buf_adds(out, value);
    (void)buf_adds(out, "\r\n");
}

static void add_number(struct buf *out, const char *boundary, const char *name, uint64_t n)
{
    char text[24];
    if (!n)
        return;
    (void)snprintf(text, sizeof text, "%" PRIu64, n);
    add_field(out, boundary, name, text);
}

static void add_details(struct buf *out, const char *boundary, const struct kind *kind,
                        const struct telegram_upload *u)
{
    if (kind == &document) { /* a file is to stay the file that it is */
        add_field(out, boundary, "disable_content_type_detection", "true");
        return;
    }
    add_number(out, boundary, "duration", u->duration_ms / 1000);
    if (strcmp(kind->field, "video") == 0) {
        add_number(out, boundary, "width", u->width > 0 ? (uint64_t)u->width : 0);
        add_number(out, boundary, "height", u->height > 0 ? (uint64_t)u->height : 0);
        add_field(out, boundary, "supports_streaming", "true");
        return;
    }
    if (u->title && *u->title)
        add_field(out, boundary, "title", u->title);
    if (u->performer && *u->performer)
        add_field(out, boundary, "performer", u->performer);
}

int telegram_form_make(struct telegram_form *out, const struct telegram_upload *u, const char *chat,
                       struct err *err)
{
    uint64_t random[2];
    char boundary[BOUNDARY_LEN + 1];
    const struct kind *kind = kind_of(u->mime);
    hash_random(random, sizeof random);
    (void)snprintf(boundary, sizeof boundary, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    *out = (struct telegram_form){
        .method = kind->method, .head = BUF_INIT(FORM_MAX_BYTES), .tail = BUF_INIT(FORM_MAX_BYTES)};
    (void)snprintf(out->type, sizeof out->type, "multipart/form-data; boundary=%s", boundary);
    add_field(&out->head, boundary, "chat_id", chat);
    add_field(&out->head, boundary, "disable_notification", "true");
    add_details(&out->head, boundary, kind, u);
    (void)buf_addf(&out->head, "--%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"", boundary,
                   kind->field);
    add_quoted(&out->head, u->name);
    (void)buf_addf(&out->head, "\"\r\nContent-Type: %s\r\n\r\n", u->mime);
    (void)buf_addf(&out->tail, "\r\n--%s--\r\n", boundary);
    if (!out->head.failed && !out->tail.failed &&
        !__builtin_add_overflow(u->length, out->head.len + out->tail.len, &out->length))
        return 0;
    telegram_form_fini(out);
    return err_set(err, ERR_INTERNAL, "what goes before a file is too long");
}

void telegram_form_fini(struct telegram_form *form)
{
    buf_fini(&form->head);
    buf_fini(&form->tail);
}

/* ---- Answers ---- */

static void drop_json(json_t **root)
{
    json_decref(*root);
}
#define auto_json __attribute__((cleanup(drop_json)))

/* The member as a text without control characters; NULL: there is no such. Borrowed. */
static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && !text_has_control(text) ? text : NULL;
}

static uint64_t number_of(const json_t *object, const char *name, uint64_t most)
{
    json_int_t n = json_integer_value(json_object_get(object, name));
    return n > 0 && (uint64_t)n <= most ? (uint64_t)n : 0;
}

/* What the codes mean, most of which are 400 with an English sentence. */
static int refusal(int code, const char *text, uint64_t retry_after_s, struct err *err)
{
    static const struct {
        int code;
        const char *part; /* of the sentence */
        enum err_code means;
    } known[] = {
        {401, "", ERR_FORBIDDEN},
        {403, "", ERR_FORBIDDEN},
        {404, "", ERR_FORBIDDEN}, /* what is no token at all is no method either */
        {413, "", ERR_BAD_REQUEST},
        {429, "", ERR_RATE_LIMITED_UPSTREAM},
        {400, "file is too big", ERR_BAD_REQUEST},
        {400, "file_id", ERR_NOT_FOUND}, /* wrong, invalid, of another bot */
        {400, "wrong file identifier", ERR_NOT_FOUND},
        {400, "wrong remote file", ERR_NOT_FOUND},
        {400, "chat not found", ERR_FORBIDDEN},
        {400, "need administrator rights", ERR_FORBIDDEN},
        {400, "not enough rights", ERR_FORBIDDEN},
    };
    enum err_code means = ERR_UPSTREAM_FAILED;
    for (size_t i = 0; i < ARRAY_LEN(known) && means == ERR_UPSTREAM_FAILED; i++) {
        if (known[i].code == code && strstr(text, known[i].part))
            means = known[i].means;
    }
    err_fill(err, means, "Telegram: %d %.120s", code, text);
    err->upstream_status = code;
    err->retry_after_s = (int)retry_after_s;
    return -1;
}

/* Its `result`: the caller's reference; NULL with *err. */
static json_t *result_of(const struct telegram_answer *answer, struct err *err)
{
    auto_json json_t *root = json_loadb(answer->body ? answer->body : "", answer->len, 0, NULL);
    json_t *result = json_object_get(root, "result");
    const json_t *parameters = json_object_get(root, "parameters");
    const char *text = text_of(root, "description");
    int code = (int)number_of(root, "error_code", 999);
    if (answer->status == 200 && json_is_true(json_object_get(root, "ok")) && result)
        return json_incref(result);
    uint64_t retry_after_s = number_of(parameters, "retry_after", RETRY_MAX_S);
    if (!retry_after_s && answer->retry_after_s > 0 && answer->retry_after_s <= RETRY_MAX_S)
        retry_after_s = (uint64_t)answer->retry_after_s;
    (void)refusal(code ? code : answer->status, text ? text : "no answer of a Bot API server", retry_after_s,
                  err);
    return NULL;
}

/* Telegram decides what a file is: a video without sound becomes an animation, say. */
static const json_t *attachment(const json_t *message)
{
    static const char *const members[] = {"video", "audio", "animation", "voice", "document"};
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const json_t *found = json_object_get(message, members[i]);
        if (found)
            return found;
    }
    return NULL;
}

static bool is_file_id(const char *id)
{
    return id && *id && strlen(id) <= TELEGRAM_FILE_ID_MAX && strspn(id, base64url) == strlen(id);
}

int telegram_read_sent(const struct telegram_answer *answer, struct telegram_file *out, struct err *err)
{
    auto_json json_t *message = result_of(answer, err);
    const json_t *file = attachment(message);
    const char *id = text_of(file, "file_id");
    if (!message)
        return -1;
    *out = (struct telegram_file){
        .message = (int64_t)number_of(message, "message_id", INT64_MAX),
        .size_bytes = number_of(file, "file_size", UINT64_C(1) << SIZE_MAX_BITS),
    };
    if (!is_file_id(id) || text_copy(out->id, sizeof out->id, id) < 0)
        return err_set(err, ERR_UPSTREAM_FAILED, "Telegram: a file was sent, but has no file_id");
    return 0;
}

/* What follows the bot's directory in an absolute path, which has the name of its token. */
static const char *below(const char *path, const char *token)
{
    const char *at = strstr(path, token);
    size_t len = strlen(token);
    return at && at > path && at[-1] == '/' && at[len] == '/' ? at + len + 1 : NULL;
}

/* Segments of plain characters, none of which leads upwards. */
static bool is_clean(const char *path)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./";
    return *path && *path != '/' && strlen(path) <= TELEGRAM_PATH_MAX &&
           strspn(path, plain) == strlen(path) && !strstr(path, "..") && !strstr(path, "//");
}

int telegram_read_path(const struct telegram_answer *answer, const char *token, struct buf *out,
                       struct err *err)
{
    auto_json json_t *file = result_of(answer, err);
    const char *path = text_of(file, "file_path");
    if (!file)
        return -1;
    if (path && *path == '/')
        path = below(path, token);
    if (!path || !is_clean(path))
        return err_set(err, ERR_UPSTREAM_FAILED, "Telegram: no file_path to read from");
    return buf_adds(out, path) < 0 ? err_set(err, ERR_INTERNAL, "out of memory") : 0;
}

int telegram_read_name(const struct telegram_answer *answer, struct buf *out, struct err *err)
{
    auto_json json_t *me = result_of(answer, err);
    const char *name = text_of(me, "username");
    if (!me)
        return -1;
    return buf_adds(out, name ? name : "") < 0 ? err_set(err, ERR_INTERNAL, "out of memory") : 0;
}

int telegram_read_rights(const struct telegram_answer *answer, struct err *err)
{
    auto_json json_t *member = result_of(answer, err);
    const char *status = text_of(member, "status");
    if (!member)
        return -1;
    bool is_in = status && (strcmp(status, "creator") == 0 || strcmp(status, "administrator") == 0 ||
                            strcmp(status, "member") == 0);
    if (is_in && !json_is_false(json_object_get(member, "can_post_messages")))
        return 0;
    return err_set(err, ERR_FORBIDDEN, "Telegram: the bot may not post there");
}

int telegram_read_done(const struct telegram_answer *answer, struct err *err)
{
    auto_json json_t *result = result_of(answer, err);
    return result ? 0 : -1;
}
