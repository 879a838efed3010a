/* Readiness of extraction. See site.h. */
#include "site/site.h"
#include "site/youtube/clients.h"

int site_check(const struct site_env *env, struct err *err)
{
    auto_ptr(clients) struct clients *clients = clients_acquire(env->clients_file);
    return clients ? 0 : err_set(err, ERR_INTERNAL, "no client profiles");
}
