/* One plain connection to a host, for a program of ours that speaks for itself (cgi-bin/sluice-dlp.c): made
 * by libcurl under the same rules as every request of the gate, by way of the configured proxy (CONNECT)
 * where there is one, and then nothing but bytes. Threads: one at a time. */
#ifndef SLUICE_NET_DIAL_H
#define SLUICE_NET_DIAL_H

#include <sys/types.h>

#include "net/net.h"

struct dial;

struct dial_to {
    const char *host;
    uint16_t port;
    const char *egress; /* way out: see egress.h; NULL or "": the usual one */
};

/* Blocks until it is connected, or net_opts.connect_ms have gone. *out: dial_close(). Errors:
 * ERR_REFUSED_ADDRESS, ERR_BAD_URL (no host, or a port that is not listed is refused), ERR_UPSTREAM_FAILED.
 */
int dial_open(struct dial **out, struct net *net, const struct dial_to *to, struct err *err);
/* To wait for with poll(). */
int dial_fd(const struct dial *d);
/* How many bytes were moved; 0: the other side has ended (receiving); -1 with errno EAGAIN: not now; -1 with
 * another: it is over. */
ssize_t dial_receive(struct dial *d, void *to, size_t room);
ssize_t dial_send(struct dial *d, const void *from, size_t len);
void dial_close(struct dial *d); /* NULL is fine */

DEFINE_AUTO_PTR(dial, dial_close)

#endif
