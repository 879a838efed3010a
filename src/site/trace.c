/* See trace.h. */
#include "site/trace.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"

enum { HOST_MAX = 253, PATH_MAX_BYTES = 200 };

static void add(struct trace *t, int64_t began_us, json_t *step)
{
    (void)pthread_mutex_lock(&t->lock);
    if (json_array_size(t->steps) < TRACE_STEPS_MAX) {
        (void)json_object_set_new(step, "at_ms", json_integer((began_us - t->began_us) / 1000));
        (void)json_array_append(t->steps, step);
    } else {
        t->left_out++;
    }
    (void)pthread_mutex_unlock(&t->lock);
    json_decref(step);
}

/* ---- Calls ---- */

/* Texts of upstream or of an operator's file: cut, and valid UTF-8, which jansson insists on. */
static json_t *text(const char *s, size_t len)
{
    auto_(buf) struct buf clean = BUF_INIT(4096);
    if (text_utf8_clean(&clean, s, len < 1000 ? len : 1000) < 0)
        return json_string("");
    return json_stringn(buf_str(&clean), clean.len);
}

static json_t *host_of(const char *url)
{
    const char *start = strstr(url, "://");
    start = start ? start + 3 : url;
    size_t len = strcspn(start, "/?#");
    return text(start, len < HOST_MAX ? len : HOST_MAX);
}

static json_t *path_of(const char *url)
{
    const char *start = strstr(url, "://");
    start = start ? start + 3 : url;
    start += strcspn(start, "/?#");
    size_t len = strcspn(start, "?#");
    return text(start, len < PATH_MAX_BYTES ? len : PATH_MAX_BYTES);
}

/* Fields that tell one client from another; what else is sent may be somebody's. */
static bool is_telling(const char *header, size_t name_len)
{
    static const char *const names[] = {
        "Accept",
        "Accept-Language",
        "Content-Type",
        "Origin",
        "Referer",
        "X-Goog-Api-Format-Version",
        "Sec-CH-UA",
        "Sec-CH-UA-Mobile",
        "Sec-CH-UA-Platform",
        "X-Requested-With",
        "X-YouTube-Client-Name",
        "X-YouTube-Client-Version",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strlen(names[i]) == name_len && strncasecmp(names[i], header, name_len) == 0)
            return true;
    }
    return false;
}

static json_t *headers_of(const struct net_call *call)
{
    json_t *out = json_object();
    if (call->user_agent)
        (void)json_object_set_new(out, "User-Agent", text(call->user_agent, strlen(call->user_agent)));
    for (const char *const *h = call->headers; h && *h; h++) {
        char name[64];
        size_t len = strcspn(*h, ":");
        const char *value = *h + len + strspn(*h + len, ": ");
        if (len >= sizeof name)
            continue;
        memcpy(name, *h, len);
        name[len] = '\0';
        (void)json_object_set_new(out, name,
                                  is_telling(*h, len) ? text(value, strlen(value))
                                                      : json_sprintf("(%zu bytes)", strlen(value)));
    }
    return out;
}

static int trace_call(void *ctx, const struct net_call *call, struct net_answer *answer, struct err *err)
{
    struct trace *t = ctx;
    struct err failed = {.code = ERR_OK};
    int64_t began_us = clock_mono_us();
    int rc = t->under.call(t->under.call_ctx, call, answer, &failed);
    json_t *step = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I}", "step", "call", "client",
                             call->asked_as ? call->asked_as : "", "method", call->body ? "POST" : "GET",
                             "host", host_of(call->url), "path", path_of(call->url), "headers",
                             headers_of(call), "sent_bytes", (json_int_t)call->body_len, "took_ms",
                             (json_int_t)((clock_mono_us() - began_us) / 1000));
    if (call->range_length)
        (void)json_object_set_new(
            step, "range",
            json_sprintf("%llu-%llu", (unsigned long long)call->range_offset,
                         (unsigned long long)(call->range_offset + call->range_length - 1)));
    if (rc == 0) {
        (void)json_object_set_new(step, "status", json_integer(answer->status));
        (void)json_object_set_new(step, "bytes", json_integer((json_int_t)answer->body.len));
    } else {
        (void)json_object_set_new(step, "error", text(failed.text, strlen(failed.text)));
    }
    add(t, began_us, step);
    if (rc < 0 && err)
        *err = failed;
    return rc;
}

/* ---- Notes ---- */

static void trace_note(void *ctx, const struct site_note *note)
{
    static const char *const names[] = {
        [SITE_OUTCOME] = "outcome", [SITE_SOLVED] = "solved", [SITE_SAID] = "note"};
    struct trace *t = ctx;
    json_t *step = json_pack("{s:s, s:s}", "step", names[note->step], "client", note->client);
    if (note->step == SITE_OUTCOME)
        (void)json_object_update_new(step, json_pack("{s:s, s:s, s:I, s:I}", "kind", note->kind, "outcome",
                                                     note->outcome, "formats", (json_int_t)note->formats,
                                                     "took_ms", (json_int_t)note->took_ms));
    if (note->step == SITE_SOLVED)
        (void)json_object_update_new(
            step, json_pack("{s:I, s:I, s:I}", "signatures", (json_int_t)note->signatures, "n",
                            (json_int_t)note->params, "unsolved_formats", (json_int_t)note->unsolved));
    if (*note->why)
        (void)json_object_set_new(step, "why", text(note->why, strlen(note->why)));
    add(t, clock_mono_us(), step);
    if (t->under.note)
        t->under.note(t->under.note_ctx, note);
}

void trace_begin(struct trace *t, struct site_env *env)
{
    *t = (struct trace){.began_us = clock_mono_us(), .steps = json_array(), .under = *env};
    (void)pthread_mutex_init(&t->lock, NULL);
    env->call = trace_call;
    env->call_ctx = t;
    env->note = trace_note;
    env->note_ctx = t;
}

json_t *trace_end(struct trace *t)
{
    (void)pthread_mutex_destroy(&t->lock);
    if (t->left_out)
        (void)json_array_append_new(
            t->steps, json_pack("{s:s, s:I}", "step", "left_out", "steps", (json_int_t)t->left_out));
    return steal(&t->steps);
}

/* ---- For people ---- */

static const char *member(const json_t *step, const char *name)
{
    const char *s = json_string_value(json_object_get(step, name));
    return s ? s : "";
}

static long long number(const json_t *step, const char *name)
{
    return json_integer_value(json_object_get(step, name));
}

static void add_call(const json_t *step, struct buf *out)
{
    const char *name;
    json_t *value;
    (void)buf_addf(out, "%s https://%s%s", member(step, "method"), member(step, "host"),
                   member(step, "path"));
    if (*member(step, "range"))
        (void)buf_addf(out, " bytes %s", member(step, "range"));
    if (*member(step, "error"))
        (void)buf_addf(out, ": failed after %lld ms: %s", number(step, "took_ms"), member(step, "error"));
    else
        (void)buf_addf(out, ": status %lld, %lld bytes, %lld ms", number(step, "status"),
                       number(step, "bytes"), number(step, "took_ms"));
    json_object_foreach (json_object_get(step, "headers"), name, value)
        (void)buf_addf(out, "\n%22s%s: %s", "", name, json_string_value(value));
}

int trace_line(const json_t *step, struct buf *out)
{
    const char *what = member(step, "step");
    (void)buf_addf(out, "%6lld ms  %-12s ", number(step, "at_ms"), member(step, "client"));
    if (strcmp(what, "call") == 0)
        add_call(step, out);
    else if (strcmp(what, "solved") == 0)
        (void)buf_addf(out, "solved: %lld signatures, %lld n; formats lost: %lld", number(step, "signatures"),
                       number(step, "n"), number(step, "unsolved_formats"));
    else if (strcmp(what, "outcome") == 0)
        (void)buf_addf(out, "%s (%s): %lld formats, %lld ms", member(step, "outcome"), member(step, "kind"),
                       number(step, "formats"), number(step, "took_ms"));
    else
        (void)buf_adds(out, what);
    if (*member(step, "why"))
        (void)buf_addf(out, ": %s", member(step, "why"));
    return buf_addc(out, '\n');
}

int trace_print(const char *text, FILE *to)
{
    for (; *text; text++) {
        bool plain = (unsigned char)*text >= ' ' || *text == '\n';
        (void)putc(plain && *text != 0x7f ? *text : '?', to);
    }
    return ferror(to) ? -1 : 0;
}
