/* The other media host of a URL from outside: what comes out leads to a host of the site and nowhere else. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "site/youtube/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char suffix[] = ".googlevideo.com";
    const struct client_media_hosts rules = {suffix, "rr{fvip}---{mn}.googlevideo.com"};
    auto_(buf) struct buf url = BUF_INIT(65536);
    auto_(buf) struct buf other = BUF_INIT(65536);
    if (buf_add(&url, data, size) < 0 || hosts_other(&rules, buf_str(&url), &other) < 0)
        return 0;
    const char *host = buf_str(&other) + strlen("https://");
    size_t len = strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-.");
    if (strncmp(buf_str(&other), "https://", strlen("https://")) != 0 || host[len] != '/' ||
        len < sizeof suffix || memcmp(host + len - (sizeof suffix - 1), suffix, sizeof suffix - 1) != 0)
        abort();
    return 0;
}
