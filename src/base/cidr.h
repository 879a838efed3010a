/* Addresses of clients: reading them, and whether they lie in a list of CIDR blocks. Pure. IPv4 written as
 * IPv6 (::ffff:a.b.c.d) is IPv4. */
#ifndef SLUICE_BASE_CIDR_H
#define SLUICE_BASE_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CIDR_TEXT_MAX = 64 };

struct cidr_address {
    uint8_t bytes[16];
    int bits; /* 32 or 128 */
};

/* `len` bytes, white space around them dropped; brackets and a port, as proxies write them, too. 0 or -1. */
int cidr_parse_address(const char *text, size_t len, struct cidr_address *out);
/* Comma-separated addresses and blocks (10.0.0.0/8, ::1). Whether all of it reads; an empty list does. */
bool cidr_list_is_valid(const char *list);
/* False for an empty list; what does not read is passed over. */
bool cidr_list_has(const char *list, const struct cidr_address *address);
/* What one subscriber is taken for: an IPv4 address, or the /64 of an IPv6 address, as text. */
void cidr_subscriber(const struct cidr_address *address, char out[CIDR_TEXT_MAX]);
/* The client's address: the peer's; while that is one of `trusted`, the one it speaks for in the list of
 * X-Forwarded-For (may be NULL), from the right. -1: none reads. */
int cidr_client(const char *peer, const char *forwarded_for, const char *trusted, struct cidr_address *out);

#endif
