/* What the fetch gate never connects to: the rules for URLs and for addresses, in one place. Private to net/.
 *
 * A URL is read by libcurl's own parser and handed on in the form that was checked, so that checker and
 * fetcher cannot disagree about it. Pure functions; threads: any. */
#ifndef SLUICE_NET_GUARD_H
#define SLUICE_NET_GUARD_H

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/defs.h"
#include "base/err.h"

enum {
    GUARD_PORTS_MAX = 32,
    GUARD_URL_MAX = 8192, /* bytes; media URLs are about 1,500, signed ones of object stores up to 3,000 */
    GUARD_HOST_MAX = 253, /* RFC 1035 */
    GUARD_PEER_MAX = GUARD_HOST_MAX + 20,
};

struct guard {
    uint16_t ports[GUARD_PORTS_MAX];
    size_t port_count;
    bool is_open;  /* the operator's own servers: any address, any port */
    locale_t utf8; /* libidn2 takes host names in the thread's character set; 0: no international names */
};

/* `ports`: "80,443". guard_fini() when done, also after an error. */
int guard_init(struct guard *g, const char *ports, struct err *err);
void guard_fini(struct guard *g);

/* A URL that passed. */
struct guard_url {
    char *text;                    /* what to fetch: host in lower-case ASCII, no fragment */
    char host[GUARD_HOST_MAX + 3]; /* as in text; IPv6 in brackets */
    char peer[GUARD_PEER_MAX];     /* "https://host:port" */
    bool tls;
};

/* Passes: http or https, a listed port, no user info, and a host that is a public address or a name with a
 * dot which is not reserved for local use (localhost, .localhost, .local, .internal, .home.arpa). Names are
 * refused here because behind a proxy nobody else looks at what they resolve to.
 * Errors: ERR_BAD_URL, ERR_REFUSED_ADDRESS. On success guard_url_fini() *out. */
int guard_url_check(const struct guard *g, const char *url, struct guard_url *out, struct err *err);
void guard_url_fini(struct guard_url *u);

/* True unless it is an IPv4 or IPv6 address that is globally reachable. */
bool guard_sockaddr_refused(const struct sockaddr *address);

DEFINE_AUTO(guard, guard_fini)
DEFINE_AUTO(guard_url, guard_url_fini)

#endif
