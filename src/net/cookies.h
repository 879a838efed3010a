/* The operator's cookies: files as browsers export them ("Netscape format": domain, whether subdomains count,
 * path, whether https only, expiry, name, value, separated by tabs), all of one directory, looked at again
 * when they change. A cookie goes to the hosts its line says and to no other. Private to net/.
 * Threads: any. */
#ifndef SLUICE_NET_COOKIES_H
#define SLUICE_NET_COOKIES_H

#include "base/buf.h"
#include "net/guard.h"

enum {
    COOKIES_MAX_BYTES = 8192,          /* of one request's header field */
    COOKIES_FILE_MAX = 1 << 20,        /* bytes */
    COOKIES_MAX = 5000,                /* of all files */
    COOKIES_LOOK_US = 2 * 1000 * 1000, /* how often the directory is looked at, at most */
};

struct cookies;

/* `directory` NULL or "": none, *out is NULL. Error: it cannot be read. */
int cookies_open(struct cookies **out, const char *directory, struct err *err);
void cookies_close(struct cookies *c); /* NULL is fine */
/* Adds the cookies of a file's text. */
int cookies_add(struct cookies *c, const char *text, size_t len);
/* Appends "a=1; b=2" for a request to `url`; how many, the longest paths first; none whose name is there
 * already. `c` may be NULL. */
size_t cookies_of(struct cookies *c, const struct guard_url *url, struct buf *out);
/* Appends all cookies of the URL's host, whatever its path, as lines of such a file; how many. */
size_t cookies_lines_of(struct cookies *c, const struct guard_url *url, struct buf *out);

struct egress_cookies;
/* See egress.h. */
size_t cookies_hosts(struct cookies *c, struct egress_cookies *out, size_t room);

#endif
