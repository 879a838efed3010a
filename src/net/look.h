/* How requests with a known user agent look on the wire: see struct net_look. Private to net/. */
#ifndef SLUICE_NET_LOOK_H
#define SLUICE_NET_LOOK_H

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <pthread.h>

#include "net/net.h"

/* What is known, replaced as a whole. */
struct looks {
    pthread_mutex_t lock; /* guards what follows */
    struct net_look *list;
    size_t count;
    unsigned generation;
};

void looks_init(struct looks *l);
void looks_fini(struct looks *l);

/* As net_set_looks(). */
int looks_set(struct looks *l, const struct net_look *looks, size_t count, struct err *err);
/* Tells one look from another for as long as the connections made in it live; 0: it has none of its own. */
unsigned looks_id(struct looks *l, const char *user_agent);
/* Both leave a handle as it is where there is no such look. `http2`: that is fine here. */
CURLcode looks_dress_curl(struct looks *l, const char *user_agent, bool http2, CURL *easy);
int looks_dress_tls(struct looks *l, const char *user_agent, SSL *ssl);

#endif
