/* Which of our own extractors a link is for. See site.h. */
#include "site/site.h"

#include <string.h>

#include "base/text.h"
#include "site/direct.h"
#include "site/engines/engines.h"
#include "site/tiktok.h"
#include "site/youtube/account.h"
#include "site/youtube/clients.h"
#include "site/youtube/hosts.h"
#include "site/youtube/youtube.h"

int native_describe(const struct site_env *env, const struct link *link, const struct err *before,
                    struct description **out, struct err *err)
{
    (void)before;
    if (link->kind == LINK_YOUTUBE_VIDEO)
        return youtube_describe(env, link->id, out, err);
    return tiktok_is_link(link->url) ? tiktok_describe(env, link->url, out, err)
                                     : direct_describe(env, link->url, out, err);
}

int site_describe(const struct site_env *env, const struct link *link, struct description **out,
                  struct err *err)
{
    switch (link->kind) {
    case LINK_YOUTUBE_VIDEO:
    case LINK_DIRECT:
        return engines_describe(env, link, out, err);
    case LINK_YOUTUBE_OTHER:
        return err_set(err, ERR_UNSUPPORTED_SITE, "a page of the site that is no video");
    case LINK_BAD:
        break;
    }
    return err_set(err, ERR_BAD_URL, "not a link");
}

int site_other_host(const struct site_env *env, const char *url, struct buf *out)
{
    auto_ptr(clients) struct clients *clients = clients_acquire(env->clients_file);
    return clients ? hosts_other(&clients->media_hosts, url, out) : -1;
}

int site_other_client(const struct site_env *env, const char *engine, unsigned n,
                      char client[SITE_CLIENT_MAX])
{
    static const char prefix[] = "youtube:";
    auto_ptr(clients) struct clients *clients = clients_acquire(env->clients_file);
    if (!clients || !text_starts_with(engine, prefix))
        return -1;
    for (size_t i = 0; i < clients->count; i++) {
        const struct client *c = &clients->list[i];
        if (strcmp(c->key, engine + sizeof prefix - 1) != 0 && !c->needs_po_token &&
            (env->js || !c->needs_js) && (!c->needs_cookies || account_is_there(env, c)) && n-- == 0)
            return text_copy(client, SITE_CLIENT_MAX, c->key);
    }
    return -1;
}

int site_check(const struct site_env *env, struct err *err)
{
    auto_ptr(clients) struct clients *clients = clients_acquire(env->clients_file);
    return clients ? 0 : err_set(err, ERR_INTERNAL, "no client profiles");
}
