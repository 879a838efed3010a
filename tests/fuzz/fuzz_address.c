/* Hosts and URLs that anybody may have written, through the rules of the fetch gate.
 *
 * Checked against libc's own parsers: whatever they read as an address that is not public must be refused;
 * and a URL that passed must pass again, unchanged, as what was checked is what is fetched. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "net/guard.h"
#include "net/net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* True when libc reads it as an address (and not as one followed by a blank and anything) that is not public.
 */
static bool libc_says_refused(const char *host)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (!strpbrk(host, " \t\n\v\f\r") && inet_aton(host, &in.sin_addr))
        return guard_sockaddr_refused((struct sockaddr *)&in);
    if (inet_pton(AF_INET6, host, &in6.sin6_addr) == 1)
        return guard_sockaddr_refused((struct sockaddr *)&in6);
    return false;
}

static void check_url(const struct guard *g, const char *text)
{
    struct err err;
    auto_(guard_url) struct guard_url url;
    auto_(guard_url) struct guard_url again = {0};
    char host[sizeof url.host];
    if (guard_url_check(g, text, &url, &err) < 0)
        return;
    if (guard_url_check(g, url.text, &again, &err) < 0 || strcmp(url.text, again.text) != 0 ||
        strcmp(url.peer, again.peer) != 0)
        abort();
    memcpy(host, url.host + (url.host[0] == '['), sizeof host - 1);
    host[strcspn(host, "]")] = '\0';
    if (net_address_refused(url.host) || libc_says_refused(host))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct guard g;
    struct err err;
    auto_(buf) struct buf text = BUF_INIT(16384);
    auto_(buf) struct buf url = BUF_INIT(16384);
    if (!g.port_count && guard_init(&g, "80,443,8080", &err) < 0)
        abort();
    if (size > 10000 || buf_add(&text, data, size) < 0 || strlen(buf_str(&text)) != size)
        return 0;
    if (libc_says_refused(buf_str(&text)) && !net_address_refused(buf_str(&text)))
        abort();
    check_url(&g, buf_str(&text));
    if (buf_addf(&url, "http://%s/", buf_str(&text)) == 0)
        check_url(&g, buf_str(&url));
    return 0;
}
