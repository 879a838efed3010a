/* TLS on connections that line.h reads: certificates checked as libcurl does it, one context for all, so that
 * certificates are parsed once, and sessions taken up again. Private to net/.
 *
 * Threads: a struct tls is shared by all; an SSL belongs to one at a time. */
#ifndef SLUICE_NET_TLS_H
#define SLUICE_NET_TLS_H

#include <openssl/ssl.h>

#include "net/guard.h"

enum { TLS_PEER_MAX = GUARD_PEER_MAX + 16 };

struct tls;

/* `ca_dir` NULL: the library's defaults; `ca_file` "": none besides. tls_close(), NULL is fine. */
int tls_open(struct tls **out, const char *ca_dir, const char *ca_file, struct err *err);
void tls_close(struct tls *t);

/* A client for the connected, non-blocking socket; SSL_do_handshake() comes next. `peer` is borrowed as long
 * as it lives; connections with the same one share sessions. NULL: no memory. SSL_free(), which leaves the
 * socket open. */
SSL *tls_begin(struct tls *t, const struct guard_url *url, const char *peer, int fd);
/* For a reader that takes all it can get, several records are read by one system call; one at rest keeps no
 * buffer. */
void tls_set_fast(SSL *ssl, bool fast);
/* What went wrong in the last call on it, as a text. */
void tls_explain(const SSL *ssl, char *out, size_t room);

#endif
