/* Ways out: lists of proxies, prefixes, and names that came with a description. A name that is given is one
 * that is understood. First line: proxy_url; second: ipv6_subnet; third: a name. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "net/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

static void check_names(const struct net *net)
{
    struct err err;
    struct egress_way ways[EGRESS_WAYS_MAX];
    size_t count = egress_ways(net, ways);
    check(count > 0 && count <= EGRESS_WAYS_MAX);
    for (size_t i = 0; i < count; i++) {
        char name[EGRESS_MAX];
        struct egress e;
        egress_name(net, &ways[i], i % 2, name);
        check(egress_read(net, name, &e, &err) == 0 && e.way && e.cookies == (i % 2));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct egress e;
    char text[512] = "";
    memcpy(text, data, size < sizeof text ? size : sizeof text - 1);
    char *prefix = strchr(text, '\n');
    char *name = prefix ? strchr(prefix + 1, '\n') : NULL;
    check(hash_init(&err) == 0);
    if (prefix)
        *prefix++ = '\0';
    if (name)
        *name++ = '\0';
    struct net *net = calloc(1, sizeof *net);
    const struct net_opts opts = {.proxy_url = text, .ipv6_subnet = prefix};
    check(net != NULL);
    if (ways_init(net, &opts, &err) == 0) {
        check_names(net);
        if (egress_read(net, name, &e, &err) == 0)
            check(e.way != NULL);
    }
    ways_fini(net);
    free(net);
    return 0;
}
