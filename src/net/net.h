/* The fetch gate: every byte Sluice takes from outside comes through here, every hop through one function.
 *
 * Refused before any connection: schemes but http and https, user info, ports outside `ports`, literal
 * addresses that are not global (loopback, private, link-local, CGNAT, multicast, v4-mapped, 6to4, Teredo,
 * NAT64, …, in any notation), names for local use (localhost, .local, .internal, .home.arpa, names without a
 * dot). Refused at connect time, on the real socket address: the same ranges, which defeats DNS rebinding and
 * covers every redirect. Environment proxies are ignored.
 *
 * With a configured proxy, libcurl connects to nothing else, and names are resolved there: then only the
 * checks before the connection remain, and a public name that resolves to a private address is the proxy's to
 * refuse.
 *
 * Redirects: at most 5, never from https to http. To another host go only Accept, Accept-Language, Origin and
 * Referer of the caller's header fields, and no POST.
 *
 * Threads: a struct net is shared by all. The only layer that includes <curl/…>. */
#ifndef SLUICE_NET_NET_H
#define SLUICE_NET_NET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct net;

struct net_opts {
    /* Ways out, "" or NULL: none of the kind. */
    const char *proxy_url;   /* one or several, separated by blanks or commas: see egress.h */
    const char *ipv6_subnet; /* of addresses that are routed here: "2001:db8:1:2::/64" */
    const char *cookies_dir; /* files of cookies as browsers export them: see cookies.h */
    const char *ca_file;     /* additional CA certificates; "" or NULL: the system's only */
    const char *ports;       /* "80,443" */
    int connect_ms;
    int timeout_ms; /* one net_call() in all, unless the call says less */
    int stall_s;    /* a transfer slower than 1 byte in this time is aborted */
};

/* Everything is copied. net_close() after the last fetch is closed. */
int net_open(struct net **out, const struct net_opts *opts, struct err *err);
void net_close(struct net *net);

/* How a browser or an app shakes hands: a request whose User-Agent says that it is one should look like it
 * from the first byte on. Texts as OpenSSL takes them, in the order of preference; NULL or "": as it is usual
 * here. Where libcurl carries the request, it is spoken as HTTP/2 if the server likes; bodies that are read
 * forward (fetch.h, flow.h) always come by HTTP/1.1. */
struct net_look {
    const char *user_agent;
    const char *tls_min, *tls_max; /* "1.2", "1.3" */
    const char *tls13_ciphers, *tls12_ciphers, *groups;
    bool http2;
};
enum { NET_LOOKS_MAX = 64 };

/* Error: ERR_INTERNAL with the name of the member that this OpenSSL does not know. */
int net_look_check(const struct net_look *look, struct err *err);
/* From now on, requests with these user agents look like that; copied, instead of those before. At most
 * NET_LOOKS_MAX. Any thread. */
int net_set_looks(struct net *net, const struct net_look *looks, size_t count, struct err *err);

/* TCP ports that it may connect to, the proxies' only where all ways out go by one: how many, at most `room`.
 */
size_t net_ports(const struct net *net, uint16_t *out, size_t room);

/* "libcurl 7.88.1 (OpenSSL/3.0.15)" */
void net_library_versions(struct buf *out);
/* Where libcurl looks for the certificates of the world: a file or a directory. Static; NULL: the library was
 * built without. */
const char *net_certificates(void);

enum { NET_CANCEL_MS = 50 };

/* One small exchange: a description, a manifest, a picture, a probe. */
struct net_call {
    const char *url;
    const char *user_agent;     /* NULL: Sluice's own */
    const char *const *headers; /* NULL-terminated "Name: value"; may be NULL */
    const char *method;         /* "PUT", "DELETE", "HEAD"; NULL: GET, or POST where there is a body */
    const char *body;
    uint64_t body_len;
    /* Or a body of body_len bytes that is read while it is sent: at least one byte and at most `room`, into
     * `to`; it may block. -1: the call ends with *err. It is read once, so the call has a connection of its
     * own, and is never repeated; it may take as long as bytes move, unless timeout_ms says less. NULL: none.
     */
    int (*read_body)(void *ctx, void *to, size_t room, size_t *got, struct err *err);
    void *read_ctx;
    uint64_t max_bytes;    /* of the decoded body; more: ERR_UPSTREAM_FAILED, but cut where status >= 400 */
    int timeout_ms;        /* 0: the gate's, which is the most (but see read_body, own) */
    int stall_s;           /* without a byte in either direction it ends; 0: the gate's */
    bool compressed;       /* accept gzip (JSON, text); media is always identity */
    uint64_t range_offset; /* with range_length > 0: Range: bytes=offset-(offset+length-1) */
    uint64_t range_length;
    const char *egress; /* way out: see egress.h; NULL or "": the usual one */
    bool cookies; /* with those that the operator has for the host, also where `egress` does not say so */
    bool own;     /* to a server of the operator's own, by a URL from the settings: any address and port,
                     no proxy, no redirect */
    const atomic_bool *cancelled; /* set by another thread: ends it with ERR_UPSTREAM_FAILED within
                                     NET_CANCEL_MS; NULL: nobody does */
    const char *asked_as; /* for whoever listens in between: as which client of a site; NULL: as none */
};

struct net_answer {
    int status;             /* after redirects; any status is an answer, not an error */
    struct buf body;        /* caller: net_answer_fini() */
    uint64_t total_size;    /* from Content-Range or Content-Length; 0: unknown */
    uint64_t range_start;   /* from Content-Range of a 206 */
    int retry_after_s;      /* what the server asks for; 0: nothing */
    char *cookies;          /* that it set, "a=1; b=2", after redirects; NULL: none */
    char content_type[128]; /* lower case, without parameters; "" when absent */
    char etag[128];
    char last_modified[64];
    int64_t date_unix_s; /* the server's clock; 0: it did not say */
    char *final_url;     /* after redirects */
};

/* Errors: ERR_BAD_URL, ERR_REFUSED_ADDRESS, ERR_UPSTREAM_FAILED (transport, time, size). A 206 whose
 * Content-Range is not what was asked for is ERR_UPSTREAM_FAILED. A 200 to a range of which max_bytes came is
 * cut there without error (status tells). */
int net_call(struct net *net, const struct net_call *call, struct net_answer *answer, struct err *err);
void net_answer_fini(struct net_answer *answer);

/* Appends the operator's cookies for the host of this URL, as lines of a "Netscape" file (see cookies.h), for
 * programs that send them themselves. -1: there are none. */
int net_cookies(struct net *net, const char *url, struct buf *out);

/* The TCP port that a call to such a URL connects to; 0: it is none. */
uint16_t net_url_port(const char *url);

/* Appends what `reference`, found in what `base` answered, leads to. Nothing is checked: that is for the call
 * that fetches it. ERR_BAD_URL. */
int net_url_join(const char *base, const char *reference, struct buf *out, struct err *err);

/* Appends a URL as people write it, with or without its scheme, with the host in ASCII (IDNA): nothing else
 * is changed, and a host that is ASCII is not looked at. ERR_BAD_URL: it is no name. */
int net_url_ascii(const char *url, struct buf *out, struct err *err);

/* True where the address (literal, as in a URL's host part) is one the gate never connects to. For tests and
 * docs. */
bool net_address_refused(const char *address);

DEFINE_AUTO(net_answer, net_answer_fini)

#endif
