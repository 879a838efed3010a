/* See look.h. */
#include "net/look.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* ---- The settings of one ---- */

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static int version_of(const char *name)
{
    return strcmp(or_empty(name), "1.3") == 0   ? TLS1_3_VERSION
           : strcmp(or_empty(name), "1.2") == 0 ? TLS1_2_VERSION
                                                : 0;
}

/* What it does not say stays as it is. -1: not known to this OpenSSL. */
static int dress(const struct net_look *look, SSL *ssl)
{
    int least = version_of(look->tls_min);
    int most = version_of(look->tls_max);
    return (*or_empty(look->tls13_ciphers) && SSL_set_ciphersuites(ssl, look->tls13_ciphers) != 1) ||
                   (*or_empty(look->tls12_ciphers) && SSL_set_cipher_list(ssl, look->tls12_ciphers) != 1) ||
                   (*or_empty(look->groups) && SSL_set1_groups_list(ssl, look->groups) != 1) ||
                   (least && SSL_set_min_proto_version(ssl, least) != 1) ||
                   (most && SSL_set_max_proto_version(ssl, most) != 1)
               ? -1
               : 0;
}

int net_look_check(const struct net_look *look, struct err *err)
{
    const struct net_look parts[] = {
        {.tls13_ciphers = look->tls13_ciphers},
        {.tls12_ciphers = look->tls12_ciphers},
        {.groups = look->groups},
    };
    static const char *const names[] = {"tls13_ciphers", "tls12_ciphers", "groups"};
    const char *const versions[][2] = {{"tls_min", look->tls_min}, {"tls_max", look->tls_max}};
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = ctx ? SSL_new(ctx) : NULL;
    const char *wrong = ssl ? NULL : "no memory";
    for (size_t i = 0; i < ARRAY_LEN(versions) && !wrong; i++) {
        if (*or_empty(versions[i][1]) && !version_of(versions[i][1]))
            wrong = versions[i][0];
    }
    if (!wrong && version_of(look->tls_min) == TLS1_3_VERSION && version_of(look->tls_max) == TLS1_2_VERSION)
        wrong = "tls_max";
    for (size_t i = 0; i < ARRAY_LEN(parts) && !wrong; i++) {
        if (dress(&parts[i], ssl) < 0)
            wrong = names[i];
    }
    ERR_clear_error();
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return wrong ? err_set(err, ERR_INTERNAL, "%s", wrong) : 0;
}

/* ---- All of them ---- */

static void free_list(struct net_look *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *const texts[] = {list[i].user_agent, list[i].tls_min,       list[i].tls_max,
                                     list[i].groups,     list[i].tls13_ciphers, list[i].tls12_ciphers};
        for (size_t k = 0; k < ARRAY_LEN(texts); k++)
            free((char *)(uintptr_t)texts[k]);
    }
    free(list);
}

void looks_init(struct looks *l)
{
    (void)pthread_mutex_init(&l->lock, NULL);
}

void looks_fini(struct looks *l)
{
    free_list(l->list, l->count);
    (void)pthread_mutex_destroy(&l->lock);
}

static int copy_one(struct net_look *to, const struct net_look *from)
{
    *to = (struct net_look){
        .user_agent = strdup(or_empty(from->user_agent)),
        .tls_min = strdup(or_empty(from->tls_min)),
        .tls_max = strdup(or_empty(from->tls_max)),
        .groups = strdup(or_empty(from->groups)),
        .tls13_ciphers = strdup(or_empty(from->tls13_ciphers)),
        .tls12_ciphers = strdup(or_empty(from->tls12_ciphers)),
        .http2 = from->http2,
    };
    return to->user_agent && to->tls_min && to->tls_max && to->groups && to->tls13_ciphers &&
                   to->tls12_ciphers
               ? 0
               : -1;
}

int looks_set(struct looks *l, const struct net_look *looks, size_t count, struct err *err)
{
    struct net_look *fresh = calloc(count ? count : 1, sizeof *fresh);
    for (size_t i = 0; i < count; i++) {
        if (!fresh || copy_one(&fresh[i], &looks[i]) < 0) {
            free_list(fresh, fresh ? count : 0);
            return err_set(err, ERR_INTERNAL, "no memory");
        }
    }
    (void)pthread_mutex_lock(&l->lock);
    struct net_look *old = l->list;
    size_t old_count = l->count;
    l->list = fresh;
    l->count = fresh ? count : 0;
    l->generation++;
    (void)pthread_mutex_unlock(&l->lock);
    free_list(old, old_count);
    return 0;
}

/* With the lock. */
static const struct net_look *find(const struct looks *l, const char *user_agent)
{
    for (size_t i = 0; i < l->count && user_agent; i++) {
        if (strcmp(l->list[i].user_agent, user_agent) == 0)
            return &l->list[i];
    }
    return NULL;
}

unsigned looks_id(struct looks *l, const char *user_agent)
{
    (void)pthread_mutex_lock(&l->lock);
    const struct net_look *look = find(l, user_agent);
    unsigned id = look ? l->generation * NET_LOOKS_MAX + (unsigned)(look - l->list) + 1 : 0;
    (void)pthread_mutex_unlock(&l->lock);
    return id;
}

int looks_dress_tls(struct looks *l, const char *user_agent, SSL *ssl)
{
    (void)pthread_mutex_lock(&l->lock);
    const struct net_look *look = find(l, user_agent);
    int rc = look ? dress(look, ssl) : 0;
    (void)pthread_mutex_unlock(&l->lock);
    return rc;
}

static CURLcode set_text(CURL *easy, CURLoption option, const char *text)
{
    return *text ? curl_easy_setopt(easy, option, text) : CURLE_OK;
}

static CURLcode dress_curl(const struct net_look *look, bool http2, CURL *easy)
{
    int least = version_of(look->tls_min);
    int most = version_of(look->tls_max);
    long versions = (least == TLS1_3_VERSION ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2) |
                    (most == TLS1_2_VERSION   ? CURL_SSLVERSION_MAX_TLSv1_2
                     : most == TLS1_3_VERSION ? CURL_SSLVERSION_MAX_TLSv1_3
                                              : CURL_SSLVERSION_MAX_DEFAULT);
    CURLcode rc = set_text(easy, CURLOPT_TLS13_CIPHERS, look->tls13_ciphers);
    rc = rc ? rc : set_text(easy, CURLOPT_SSL_CIPHER_LIST, look->tls12_ciphers);
    rc = rc ? rc : set_text(easy, CURLOPT_SSL_EC_CURVES, look->groups);
    rc = rc ? rc : curl_easy_setopt(easy, CURLOPT_SSLVERSION, versions);
    if (rc == CURLE_OK && http2 && look->http2)
        rc = curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    return rc;
}

CURLcode looks_dress_curl(struct looks *l, const char *user_agent, bool http2, CURL *easy)
{
    (void)pthread_mutex_lock(&l->lock);
    const struct net_look *look = find(l, user_agent);
    CURLcode rc = look ? dress_curl(look, http2, easy) : CURLE_OK;
    (void)pthread_mutex_unlock(&l->lock);
    return rc;
}
