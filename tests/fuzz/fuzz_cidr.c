/* Addresses as clients and proxies write them. Input: three lines, the peer, X-Forwarded-For, the trusted
 * blocks. Blocks are checked bit by bit against libc's reading of them; and whatever a client puts before
 * what the proxies wrote must not change who it is. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cidr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool same(const struct cidr_address *a, const struct cidr_address *b)
{
    return a->bits == b->bits && memcmp(a->bytes, b->bytes, (size_t)a->bits / 8) == 0;
}

static bool bit(const struct cidr_address *a, int i)
{
    return a->bytes[i / 8] >> (7 - i % 8) & 1;
}

static void check_address(const char *text)
{
    struct cidr_address a, again;
    struct in_addr in;
    char subscriber[CIDR_TEXT_MAX];
    bool plain = inet_pton(AF_INET, text, &in) == 1;
    if (cidr_parse_address(text, strlen(text), &a) < 0) {
        require(!plain);
        return;
    }
    require(a.bits == 32 || a.bits == 128);
    require(!plain || (a.bits == 32 && memcmp(&in, a.bytes, sizeof in) == 0));
    require(cidr_list_has("0.0.0.0/0", &a) == (a.bits == 32) && cidr_list_has("::/0", &a) == (a.bits == 128));
    cidr_subscriber(&a, subscriber);
    require(cidr_list_is_valid(subscriber) && cidr_list_has(subscriber, &a));
    subscriber[strcspn(subscriber, "/")] = '\0';
    require(cidr_parse_address(subscriber, strlen(subscriber), &again) == 0);
    require(a.bits == again.bits && memcmp(a.bytes, again.bytes, a.bits == 32 ? 4 : 8) == 0);
}

/* Of a valid list without brackets and ports, the slow way. */
static bool has_slowly(const char *list, const struct cidr_address *a)
{
    while (*list) {
        size_t len = strcspn(list, ",");
        auto_ptr(char) char *one = strndup(list, len);
        require(one != NULL);
        const char *slash = strchr(one, '/');
        struct cidr_address block;
        require(cidr_parse_address(one, slash ? (size_t)(slash - one) : strlen(one), &block) == 0);
        long prefix = slash ? strtol(slash + 1, NULL, 10) : block.bits;
        bool in = block.bits == a->bits;
        for (int i = 0; in && i < prefix; i++)
            in = bit(a, i) == bit(&block, i);
        if (in)
            return true;
        list += len + (list[len] == ',');
    }
    return false;
}

static void check_client(const char *peer, const char *forwarded, const char *trusted)
{
    struct cidr_address p, c, spoofed;
    auto_(buf) struct buf more = BUF_INIT(1 << 20);
    int rc = cidr_client(peer, forwarded, trusted, &c);
    require((rc == 0) == (cidr_parse_address(peer, strlen(peer), &p) == 0));
    if (rc < 0)
        return;
    if (!cidr_list_has(trusted, &p))
        require(same(&p, &c));
    if (cidr_list_has(trusted, &c)) /* nobody has said who is behind it */
        return;
    require(buf_addf(&more, "198.51.100.7, %s", forwarded) == 0);
    require(cidr_client(peer, buf_str(&more), trusted, &spoofed) == 0 && same(&c, &spoofed));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cidr_address a;
    auto_(buf) struct buf text = BUF_INIT(1 << 16);
    const char *lines[3] = {"", "", ""};
    if (buf_add(&text, data, size) < 0 || strlen(buf_str(&text)) != size || !text.data)
        return 0;
    char *next = text.data;
    for (size_t i = 0; next && i < ARRAY_LEN(lines); i++) {
        lines[i] = next;
        if ((next = strchr(next, '\n')))
            *next++ = '\0';
    }
    check_address(lines[0]);
    check_client(lines[0], lines[1], lines[2]);
    if (cidr_parse_address(lines[0], strlen(lines[0]), &a) == 0 && cidr_list_is_valid(lines[2]))
        require(cidr_list_has(lines[2], &a) == has_slowly(lines[2], &a));
    return 0;
}
