/* Which site a link is of. See site.h. */
#include "site/site.h"

#include "site/direct.h"
#include "site/youtube/clients.h"
#include "site/youtube/youtube.h"

int site_describe(const struct site_env *env, const struct link *link, struct description **out,
                  struct err *err)
{
    switch (link->kind) {
    case LINK_YOUTUBE_VIDEO:
        return youtube_describe(env, link->id, out, err);
    case LINK_DIRECT:
        return direct_describe(env, link->url, out, err);
    case LINK_YOUTUBE_OTHER:
        return err_set(err, ERR_UNSUPPORTED_SITE, "a page of the site that is no video");
    case LINK_BAD:
        break;
    }
    return err_set(err, ERR_BAD_URL, "not a link");
}

int site_check(const struct site_env *env, struct err *err)
{
    auto_ptr(clients) struct clients *clients = clients_acquire(env->clients_file);
    return clients ? 0 : err_set(err, ERR_INTERNAL, "no client profiles");
}
