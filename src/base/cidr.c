/* See cidr.h. */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { HOPS_MAX = 32, V6_SUBSCRIBER_BYTES = 8 };

static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

static void trim(const char **text, size_t *len)
{
    while (*len && (**text == ' ' || **text == '\t')) {
        ++*text;
        --*len;
    }
    while (*len && ((*text)[*len - 1] == ' ' || (*text)[*len - 1] == '\t'))
        --*len;
}

int cidr_parse_address(const char *text, size_t len, struct cidr_address *out)
{
    char copy[INET6_ADDRSTRLEN + 1];
    trim(&text, &len);
    if (len && *text == '[') { /* [v6] or [v6]:port */
        const char *end = memchr(text, ']', len);
        if (!end)
            return -1;
        len = (size_t)(end - text) - 1;
        text++;
    } else { /* v4:port */
        const char *colon = memchr(text, ':', len);
        if (colon && memchr(text, '.', (size_t)(colon - text)))
            len = (size_t)(colon - text);
    }
    if (len == 0 || len >= sizeof copy)
        return -1;
    memcpy(copy, text, len);
    copy[len] = '\0';
    *out = (struct cidr_address){.bits = 32};
    if (inet_pton(AF_INET, copy, out->bytes) == 1)
        return 0;
    if (inet_pton(AF_INET6, copy, out->bytes) != 1)
        return -1;
    out->bits = 128;
    if (memcmp(out->bytes, v4_mapped, sizeof v4_mapped) == 0) {
        memmove(out->bytes, out->bytes + sizeof v4_mapped, 4);
        memset(out->bytes + 4, 0, sizeof out->bytes - 4);
        out->bits = 32;
    }
    return 0;
}

static int parse_block(const char *text, size_t len, struct cidr_address *out, int *prefix)
{
    const char *slash = memchr(text, '/', len);
    uint64_t n;
    trim(&text, &len);
    size_t address_len = slash ? (size_t)(slash - text) : len;
    if (cidr_parse_address(text, address_len, out) < 0)
        return -1;
    *prefix = out->bits;
    if (!slash)
        return 0;
    if (text_parse_u64n(slash + 1, len - address_len - 1, 0, (uint64_t)out->bits, &n) < 0)
        return -1;
    *prefix = (int)n;
    return 0;
}

static bool is_in(const struct cidr_address *a, const struct cidr_address *block, int prefix)
{
    size_t whole = (size_t)prefix / 8;
    int rest = prefix % 8;
    if (a->bits != block->bits || memcmp(a->bytes, block->bytes, whole) != 0)
        return false;
    return rest == 0 || (a->bytes[whole] ^ block->bytes[whole]) >> (8 - rest) == 0;
}

/* The next of a comma-separated list; false at its end. */
static bool next_item(const char **list, const char **item, size_t *len)
{
    if (!**list)
        return false;
    *item = *list;
    *len = strcspn(*list, ",");
    *list += *len + ((*list)[*len] == ',');
    return true;
}

bool cidr_list_is_valid(const char *list)
{
    const char *item;
    size_t len;
    while (next_item(&list, &item, &len)) {
        struct cidr_address block;
        int prefix;
        if (parse_block(item, len, &block, &prefix) < 0)
            return false;
    }
    return true;
}

bool cidr_list_has(const char *list, const struct cidr_address *address)
{
    const char *item;
    size_t len;
    while (next_item(&list, &item, &len)) {
        struct cidr_address block;
        int prefix;
        if (parse_block(item, len, &block, &prefix) == 0 && is_in(address, &block, prefix))
            return true;
    }
    return false;
}

void cidr_subscriber(const struct cidr_address *address, char out[CIDR_TEXT_MAX])
{
    struct cidr_address a = *address;
    char text[INET6_ADDRSTRLEN] = "";
    if (a.bits == 128)
        memset(a.bytes + V6_SUBSCRIBER_BYTES, 0, sizeof a.bytes - V6_SUBSCRIBER_BYTES);
    (void)inet_ntop(a.bits == 32 ? AF_INET : AF_INET6, a.bytes, text, sizeof text);
    (void)snprintf(out, CIDR_TEXT_MAX, "%s%s", text, a.bits == 128 ? "/64" : "");
}

int cidr_client(const char *peer, const char *forwarded_for, const char *trusted, struct cidr_address *out)
{
    if (!peer || cidr_parse_address(peer, strlen(peer), out) < 0)
        return -1;
    const char *end = forwarded_for ? forwarded_for + strlen(forwarded_for) : NULL;
    for (int hop = 0; hop < HOPS_MAX && end && cidr_list_has(trusted, out); hop++) {
        const char *start = end;
        struct cidr_address next;
        while (start > forwarded_for && start[-1] != ',')
            start--;
        if (cidr_parse_address(start, (size_t)(end - start), &next) < 0)
            break; /* what a trusted proxy did not write: the last that reads is the client */
        *out = next;
        end = start > forwarded_for ? start - 1 : NULL;
    }
    return 0;
}
