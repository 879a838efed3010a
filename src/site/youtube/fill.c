/* See fill.h. */
#include "site/youtube/fill.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"

enum { TEXT_MAX_BYTES = 16 * 1024 };

static void random_text(char *out, size_t room)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    hash_random(out, room - 1);
    for (size_t i = 0; i + 1 < room; i++)
        out[i] = alphabet[(unsigned char)out[i] & 63];
    out[room - 1] = '\0';
}

/* The value of a placeholder, in `scratch` where it has to be made; NULL: there is no such placeholder. */
static const char *value_of(const struct fill *f, const char *name, size_t len, char scratch[16])
{
    (void)snprintf(scratch, 16, "%d", f->client->id);
    const struct {
        const char *name, *value;
    } values[] = {
        {"name", f->client->name},
        {"id", scratch},
        {"version", f->client->version},
        {"user_agent", f->user_agent},
        {"visitor_data", f->visitor_data},
        {"video_id", f->video_id},
        {"cpn", f->cpn},
        {"nonce", f->nonce},
        {"po_token", f->po_token},
        {"account", f->account},
        {"page_value", f->page_value},
    };
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        if (strlen(values[i].name) == len && memcmp(values[i].name, name, len) == 0)
            return values[i].value;
    }
    return NULL;
}

int fill_text(const struct fill *f, const char *text, struct buf *out)
{
    char scratch[16];
    for (const char *end = NULL; *text; text = end + 1) {
        const char *open = strchr(text, '{');
        end = open ? strchr(open, '}') : NULL;
        if (!end)
            return buf_adds(out, text);
        const char *value = value_of(f, open + 1, (size_t)(end - open - 1), scratch);
        (void)buf_add(out, text, (size_t)(open - text));
        if (!value || buf_adds(out, value) < 0)
            return -1;
    }
    return out->failed ? -1 : 0;
}

int fill_init(struct fill *f, const struct client *client, const char *video_id, const char *visitor_data)
{
    auto_(buf) struct buf agent = BUF_INIT(sizeof f->user_agent - 1);
    *f = (struct fill){.client = client,
                       .video_id = video_id,
                       .visitor_data = visitor_data,
                       .po_token = "",
                       .account = "",
                       .page_value = ""};
    random_text(f->cpn, sizeof f->cpn);
    random_text(f->nonce, sizeof f->nonce);
    if (fill_text(f, client->user_agent, &agent) < 0)
        return -1;
    return text_copy(f->user_agent, sizeof f->user_agent, buf_str(&agent));
}

static json_t *fill_string(const struct fill *f, const char *text)
{
    auto_(buf) struct buf out = BUF_INIT(TEXT_MAX_BYTES);
    if (strcmp(text, "{context}") == 0)
        return fill_json(f, f->client->context);
    if (strcmp(text, "{signature_timestamp}") == 0)
        return json_integer(f->signature_timestamp);
    return fill_text(f, text, &out) < 0 ? NULL : json_string(buf_str(&out));
}

static json_t *fill_object(const struct fill *f, const json_t *object)
{
    json_t *out = json_object();
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)object, name, value) {
        json_t *filled = fill_json(f, value);
        bool left_out = json_is_string(filled) && json_string_length(filled) == 0;
        if (left_out) {
            json_decref(filled);
        } else if (json_object_set_new(out, name, filled) < 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

json_t *fill_json(const struct fill *f, const json_t *value)
{
    if (json_is_string(value))
        return fill_string(f, json_string_value(value));
    if (json_is_object(value))
        return fill_object(f, value);
    if (!json_is_array(value))
        return json_deep_copy(value);
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (json_array_append_new(out, fill_json(f, json_array_get(value, i))) < 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

/* ------------------------------------------------------------------------------------------------ */
/* Checking, once, when the file is read: filling can then fail for want of memory only. */

struct check {
    struct fill fill;
    bool in_body; /* {context} is for bodies, and there is none inside a context */
    struct err *err;
};

static int check_text(const struct check *c, const char *text, const char *where)
{
    auto_(buf) struct buf out = BUF_INIT(TEXT_MAX_BYTES / 2); /* leaves room for a long visitorData */
    if (c->in_body && (strcmp(text, "{context}") == 0 || strcmp(text, "{signature_timestamp}") == 0))
        return 0;
    if (fill_text(&c->fill, text, &out) == 0 && strpbrk(buf_str(&out), "{}") == NULL)
        return 0;
    return err_set(c->err, ERR_INTERNAL, "%s: a placeholder that does not exist, or too long", where);
}

static int check_json(const struct check *c, const json_t *value, int depth, const char *where)
{
    const char *name;
    json_t *member;
    if (depth > CLIENTS_DEPTH_MAX)
        return err_set(c->err, ERR_INTERNAL, "%s: nested too deeply", where);
    if (json_is_string(value))
        return check_text(c, json_string_value(value), where);
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (check_json(c, json_array_get(value, i), depth + 1, where) < 0)
            return -1;
    }
    json_object_foreach ((json_t *)value, name, member) {
        char path[200];
        (void)snprintf(path, sizeof path, "%s.%.60s", where, name);
        if (check_json(c, member, depth + 1, path) < 0)
            return -1;
    }
    return 0;
}

int fill_check(const struct client *client, const char *where, struct err *err)
{
    struct check c = {.err = err};
    char at[6][64];
    static const char *const names[] = {"path", "visitor_path", "headers", "context", "body", "page"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)snprintf(at[i], sizeof at[i], "%s.%s", where, names[i]);
    if (fill_init(&c.fill, client, "", "") < 0)
        return err_set(err, ERR_INTERNAL, "%s.user_agent: a placeholder that does not exist, or too long",
                       where);
    if (check_text(&c, client->path, at[0]) < 0 || check_text(&c, client->visitor_path, at[1]) < 0 ||
        (client->page && check_text(&c, client->page, at[5]) < 0) ||
        check_json(&c, client->headers, 0, at[2]) < 0 || check_json(&c, client->context, 0, at[3]) < 0)
        return -1;
    c.in_body = true;
    return check_json(&c, client->body, 0, at[4]);
}
