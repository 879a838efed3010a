/* See dash_link.h. */
#include "site/dash_link.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "site/call.h"
#include "site/dash.h"
#include "site/direct.h"

enum { URL_MAX = 8192, NAME_MAX_BYTES = 200 };

static int set(char **to, const char *text)
{
    return description_set_text(to, text ? text : "", text ? strlen(text) : 0, URL_MAX);
}

/* "webm", "mp4", "m4a"; NULL: another. */
static const char *container_of(const struct dash_track *t)
{
    bool sound = t->kind == FORMAT_AUDIO;
    if (text_ends_with(t->mime, "/webm"))
        return "webm";
    return !text_ends_with(t->mime, "/mp4") ? NULL : sound ? "m4a" : "mp4";
}

static const char *mime_of(const struct dash_track *t, const char *container)
{
    static const char *const mimes[2][2] = {{"video/mp4", "audio/mp4"}, {"video/webm", "audio/webm"}};
    return mimes[strcmp(container, "webm") == 0][t->kind == FORMAT_AUDIO];
}

static void name_it(const struct dash_track *t, char *label, size_t room)
{
    if (t->kind != FORMAT_AUDIO && t->height > 0)
        (void)snprintf(label, room, "%dp", t->width && t->width < t->height ? t->width : t->height);
    else if (t->bandwidth > 0)
        (void)snprintf(label, room, "%lld kbit/s", (long long)(t->bandwidth + 500) / 1000);
    else
        (void)snprintf(label, room, "DASH");
}

/* Asks how large a file is; 0: it does not say. */
static uint64_t size_of(const struct site_env *env, const struct dash_track *t, uint64_t *version)
{
    struct err err = {0};
    auto_(net_answer) struct net_answer answer = {.status = 0};
    const struct net_call call = {.url = t->base, .max_bytes = 1, .range_length = 1};
    if (site_call(env, &call, &answer, &err) < 0 || answer.status != 206)
        return 0;
    *version = direct_version(&answer);
    return answer.total_size;
}

static int add_track(const struct site_env *env, const char *base, const struct dash *all, size_t index,
                     struct description *d, int *files)
{
    const struct dash_track *t = &all->tracks[index];
    const char *container = t->index.end ? container_of(t) : NULL;
    struct format *f = description_add_format(d);
    char id[32];
    char label[32];
    auto_(buf) struct buf url = BUF_INIT(URL_MAX + 32);
    if (!f)
        return -1;
    *f = (struct format){
        .kind = t->kind,
        .width = t->width,
        .height = t->height,
        .fps = t->fps,
        .bitrate = t->bandwidth,
        .duration_ms = all->duration_ms,
        .original = t->original,
        .sample_rate = t->sample_rate,
    };
    if (container && (*files)++ < DASH_LINK_FILES_MAX)
        f->size_bytes = size_of(env, t, &f->last_modified);
    if (f->size_bytes > t->index.end) {
        f->init = t->init;
        f->index = t->index;
        (void)buf_adds(&url, t->base);
    } else {
        f->size_bytes = 0;
        container = NULL;
        (void)buf_addf(&url, "%.*s#%zu", (int)strcspn(base, "#"), base, index);
    }
    name_it(t, label, sizeof label);
    (void)snprintf(id, sizeof id, "%c%zu", t->kind == FORMAT_AUDIO ? 'a' : 'v', index);
    if (t->language && t->kind == FORMAT_AUDIO && strcmp(t->language, "und") != 0 &&
        description_set_line(&f->language, t->language, strlen(t->language), NAME_MAX_BYTES) < 0)
        return -1;
    return set(&f->id, id) | set(&f->container, container ? container : "dash") |
           set(&f->mime, container ? mime_of(t, container) : "application/dash+xml") |
           set(&f->codecs, t->codecs) | set(&f->label, label) | set(&f->url, buf_str(&url));
}

static int add_text(const struct dash_track *t, struct description *d)
{
    const char *language = t->language ? t->language : "und";
    struct subtitle *s = description_add_subtitle(d);
    return !s ? -1
              : description_set_line(&s->language, language, strlen(language), NAME_MAX_BYTES) |
                    description_set_line(&s->label, language, strlen(language), NAME_MAX_BYTES) |
                    set(&s->url, t->base);
}

int dash_add_formats(const struct site_env *env, const char *base, const char *text, size_t len,
                     struct description *d, struct err *err)
{
    auto_ptr(dash) struct dash *all = NULL;
    int files = 0;
    bool checked = false;
    if (dash_parse(&all, base, text, len, err) < 0)
        return -1;
    d->duration_ms = all->duration_ms;
    for (size_t i = 0; i < all->track_count; i++) {
        const struct dash_track *t = &all->tracks[i];
        /* a manifest that leads nowhere is told now, not when it streams */
        if (!t->is_text && !checked && dash_list(all, i, err) < 0)
            return -1;
        checked |= !t->is_text;
        if ((t->is_text ? add_text(t, d) : add_track(env, base, all, i, d, &files)) < 0)
            return err_set(err, ERR_INTERNAL, "out of memory");
    }
    return 0;
}
