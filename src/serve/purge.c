/* See purge.h. */
#include "serve/purge.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "serve/describe.h"
#include "store/contents.h"

static int leave(struct app *app, const struct store_content_which *which, struct purged *out,
                 struct err *err)
{
    const struct slices_which same = {which->site, which->id, INT64_MAX};
    int64_t count = store_content_leave(app->store, which, err);
    int64_t slices = count < 0 ? -1 : slices_purge(app->slices, &same, err);
    out->contents += count > 0 ? count : 0;
    out->slices += slices > 0 ? slices : 0;
    return slices < 0 ? -1 : 0;
}

/* Contents of other links are known by what their engine called them, so all of "direct" leave together. */
static int purge_link(struct app *app, const char *text, struct purged *out, struct err *err)
{
    struct link link;
    struct store_content_which which = {.site = "direct"};
    if (serve_parse_link(&link, text, err) < 0)
        return -1;
    if (link.kind == LINK_YOUTUBE_VIDEO)
        which = (struct store_content_which){.site = "youtube", .id = link.id};
    return serve_forget(app, text, err) < 0 ? -1 : leave(app, &which, out, err);
}

static int purge_site(struct app *app, const char *site, struct purged *out, struct err *err)
{
    char host[256];
    const struct store_content_which named = {.site = site};
    const struct store_content_which direct = {.site = "direct"};
    bool youtube = strcmp(site, "youtube") == 0;
    (void)snprintf(host, sizeof host, "%s", youtube ? "www.youtube.com" : site);
    for (char *p = host; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    if (serve_forget_host(app, host, err) < 0 || leave(app, &named, out, err) < 0)
        return -1;
    return youtube ? 0 : leave(app, &direct, out, err);
}

/* Plans are found by what they are of, so of anything all of them go. */
int purge(struct app *app, const struct purge_what *what, struct purged *out, struct err *err)
{
    const struct store_content_which all = {.used_until_unix_s = INT64_MAX};
    *out = (struct purged){0};
    if (what->link && *what->link)
        return purge_link(app, what->link, out, err);
    shelf_purge(app->shelf);
    if (what->site && *what->site)
        return purge_site(app, what->site, out, err);
    out->descriptions = store_cache_purge(app->store, err);
    return out->descriptions < 0 ? -1 : leave(app, &all, out, err);
}
