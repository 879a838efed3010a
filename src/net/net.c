/* The gate itself: its settings, what its handles share, and their pool. See net.h and wire.h. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "net/cookies.h"
#include "net/tls.h"
#include "net/wire.h"

/* ---- What handles share: names and TLS sessions ---- */

static void share_lock(CURL *easy, curl_lock_data data, curl_lock_access access, void *net)
{
    (void)easy;
    (void)access;
    (void)pthread_mutex_lock(&((struct net *)net)->share_locks[data]);
}

static void share_unlock(CURL *easy, curl_lock_data data, void *net)
{
    (void)easy;
    (void)pthread_mutex_unlock(&((struct net *)net)->share_locks[data]);
}

static int open_share(struct net *net, struct err *err)
{
    net->share = curl_share_init();
    if (!net->share)
        return err_set(err, ERR_INTERNAL, "no memory");
    if (curl_share_setopt(net->share, CURLSHOPT_LOCKFUNC, share_lock) != CURLSHE_OK ||
        curl_share_setopt(net->share, CURLSHOPT_UNLOCKFUNC, share_unlock) != CURLSHE_OK ||
        curl_share_setopt(net->share, CURLSHOPT_USERDATA, net) != CURLSHE_OK ||
        curl_share_setopt(net->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) != CURLSHE_OK ||
        curl_share_setopt(net->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK)
        return err_set(err, ERR_INTERNAL, "curl_share_setopt");
    return 0;
}

/* ---- Settings ---- */

static int copy_text(const char **out, const char *text, struct err *err)
{
    *out = strdup(text ? text : "");
    return *out ? 0 : err_set(err, ERR_INTERNAL, "no memory");
}

/* Whether certificates can be looked up there by the hash of their name, as OpenSSL does ("5ed36f99.0"). */
static bool is_hashed(const char *path)
{
    DIR *dir = opendir(path);
    bool found = false;
    for (struct dirent *e; dir && !found && (e = readdir(dir));)
        found = strspn(e->d_name, "0123456789abcdef") == 8 && strcmp(e->d_name + 8, ".0") == 0;
    if (dir)
        (void)closedir(dir);
    return found;
}

/* libcurl would parse the system's bundle of some 140 certificates for every new handle: 28 ms of CPU and 0.8
 * MB each, measured. From the hashed directory beside it OpenSSL reads only the one it needs: 2 ms for the
 * whole connection. */
static int read_ca(struct net *net, struct err *err)
{
    const char *file = net->opts.ca_file;
    char *dir = NULL;
    CURL *easy = curl_easy_init();
    if (easy && curl_easy_getinfo(easy, CURLINFO_CAPATH, &dir) == CURLE_OK && dir && is_hashed(dir))
        net->ca_dir = strdup(dir);
    curl_easy_cleanup(easy);
    if (*file && access(file, R_OK) < 0)
        return err_set(err, ERR_INTERNAL, "%s: cannot be read", file);
    if (*file && !net->ca_dir)
        return err_set(err, ERR_INTERNAL, "%s: needs the system's hashed certificate directory", file);
    return 0;
}

int net_open(struct net **out, const struct net_opts *opts, struct err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ERR_INTERNAL, "curl_global_init");
    struct net *net = calloc(1, sizeof *net);
    if (!net) {
        curl_global_cleanup();
        return err_set(err, ERR_INTERNAL, "no memory");
    }
    net->opts = *opts;
    net->opts.proxy_url = net->opts.ipv6_subnet = net->opts.cookies_dir = NULL;
    net->opts.ca_file = net->opts.ports = NULL;
    (void)pthread_mutex_init(&net->lock, NULL);
    looks_init(&net->looks);
    for (size_t i = 0; i < ARRAY_LEN(net->share_locks); i++)
        (void)pthread_mutex_init(&net->share_locks[i], NULL);
    if (copy_text(&net->opts.ca_file, opts->ca_file, err) < 0 ||
        copy_text(&net->opts.ports, opts->ports, err) < 0 ||
        guard_init(&net->guard, net->opts.ports, err) < 0 || ways_init(net, opts, err) < 0 ||
        cookies_open(&net->cookies, opts->cookies_dir, err) < 0 || read_ca(net, err) < 0 ||
        open_share(net, err) < 0 || tls_open(&net->tls, net->ca_dir, net->opts.ca_file, err) < 0) {
        net_close(net);
        return -1;
    }
    *out = net;
    return 0;
}

int net_set_looks(struct net *net, const struct net_look *looks, size_t count, struct err *err)
{
    if (count > NET_LOOKS_MAX)
        return err_set(err, ERR_INTERNAL, "more than %d looks", NET_LOOKS_MAX);
    return looks_set(&net->looks, looks, count, err);
}

size_t net_ports(const struct net *net, uint16_t *out, size_t room)
{
    size_t count = 0;
    bool is_direct = false;
    for (size_t i = 0; i < net->way_count; i++) {
        is_direct |= net->ways[i].port == 0;
        if (net->ways[i].port && count < room)
            out[count++] = net->ways[i].port;
    }
    for (size_t i = 0; is_direct && i < net->guard.port_count && count < room; i++)
        out[count++] = net->guard.ports[i];
    return count;
}

/* ---- The pool ---- */

void wire_free(struct wire *w)
{
    if (!w)
        return;
    if (w->easy)
        (void)curl_multi_remove_handle(w->multi, w->easy);
    curl_easy_cleanup(w->easy);
    curl_slist_free_all(w->headers);
    if (w->owns_multi)
        (void)curl_multi_cleanup(w->multi);
    free(w);
}

void net_close(struct net *net)
{
    if (!net)
        return;
    while (net->idle) {
        struct wire *w = net->idle;
        net->idle = w->next;
        wire_free(w);
    }
    (void)curl_share_cleanup(net->share);
    tls_close(net->tls);
    guard_fini(&net->guard);
    looks_fini(&net->looks);
    (void)pthread_mutex_destroy(&net->lock);
    for (size_t i = 0; i < ARRAY_LEN(net->share_locks); i++)
        (void)pthread_mutex_destroy(&net->share_locks[i]);
    ways_fini(net);
    cookies_close(net->cookies);
    free((char *)net->opts.ca_file);
    free((char *)net->opts.ports);
    free(net->ca_dir);
    free(net);
    curl_global_cleanup();
}

struct wire *wire_new(struct net *net, CURLM *multi)
{
    struct wire *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->net = net;
    w->easy = curl_easy_init();
    w->owns_multi = !multi;
    w->multi = multi ? multi : curl_multi_init();
    /* One request at a time: a second and third connection only after redirects to other hosts. */
    if (!w->easy || !w->multi ||
        (w->owns_multi && curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, 3L) != CURLM_OK)) {
        wire_free(w);
        return NULL;
    }
    return w;
}

/* The idle wire that last talked to `peer`, taken out of the pool; NULL: none. */
static struct wire *take_idle(struct net *net, const char *peer)
{
    (void)pthread_mutex_lock(&net->lock);
    struct wire **at = &net->idle;
    while (*at && strcmp((*at)->peer, peer) != 0)
        at = &(*at)->next;
    struct wire *w = *at;
    if (w) {
        *at = w->next;
        net->idle_count--;
    }
    (void)pthread_mutex_unlock(&net->lock);
    return w;
}

int wire_get(struct wire **out, struct net *net, const struct guard_url *url, struct err *err)
{
    struct wire *w = take_idle(net, url->peer);
    if (!w)
        w = wire_new(net, NULL);
    if (!w)
        return err_set(err, ERR_INTERNAL, "no memory for a connection");
    *out = w;
    return 0;
}

void wire_put(struct wire *w)
{
    if (!w)
        return;
    struct net *net = w->net;
    int64_t now_us = clock_mono_us();
    (void)curl_multi_remove_handle(w->multi, w->easy);
    curl_easy_reset(w->easy);
    w->idle_since_us = now_us;

    (void)pthread_mutex_lock(&net->lock);
    w->next = net->idle;
    net->idle = w;
    net->idle_count++;
    struct wire **at = &net->idle; /* the list is in order of age: all from here on are too many or too old */
    for (unsigned n = 0; *at && n < WIRE_IDLE_MAX && now_us - (*at)->idle_since_us < WIRE_IDLE_US; n++)
        at = &(*at)->next;
    struct wire *surplus = *at;
    *at = NULL;
    for (struct wire *s = surplus; s; s = s->next)
        net->idle_count--;
    (void)pthread_mutex_unlock(&net->lock);

    while (surplus) {
        struct wire *next = surplus->next;
        wire_free(surplus);
        surplus = next;
    }
}

void net_library_versions(struct buf *out)
{
    const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
    (void)buf_addf(out, "libcurl %s (%s)", v->version, v->ssl_version ? v->ssl_version : "no TLS");
}

const char *net_certificates(void)
{
    const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
    return v->cainfo && *v->cainfo ? v->cainfo : v->capath;
}
