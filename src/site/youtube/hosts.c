/* See hosts.h. */
#include "site/youtube/hosts.h"

#include <string.h>

#include "base/text.h"

enum { HOST_MAX = 253, VALUE_MAX_BYTES = 512 };

/* Appends the query parameter `name`, decoded. */
static int add_parameter(struct buf *out, const char *url, const char *name, size_t name_len)
{
    for (const char *p = strchr(url, '?'); p; p = strchr(p, '&')) {
        p++;
        if (strncmp(p, name, name_len) == 0 && p[name_len] == '=') {
            p += name_len + 1;
            return text_percent_decode(out, p, strcspn(p, "&#"), false);
        }
    }
    return -1;
}

/* Of "a,b" the first that is not part of `host`. */
static int add_item(struct buf *to, const char *list, const char *host)
{
    for (const char *p = list; *p; p += *p == ',') {
        size_t len = strcspn(p, ",");
        bool is_name = len && len <= 63 && strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
        if (is_name && (!strchr(list, ',') || !memmem(host, strlen(host), p, len)))
            return buf_add(to, p, len);
        p += len;
    }
    return -1;
}

/* Fills the pattern: {name} is a query parameter of `url`. */
static int fill_host(struct buf *to, const char *pattern, const char *url, const char *host)
{
    for (const char *p = pattern; *p;) {
        size_t plain = strcspn(p, "{");
        (void)buf_add(to, p, plain);
        p += plain;
        if (!*p)
            break;
        const char *end = strchr(p, '}');
        auto_(buf) struct buf value = BUF_INIT(VALUE_MAX_BYTES);
        if (!end || add_parameter(&value, url, p + 1, (size_t)(end - p - 1)) < 0 ||
            add_item(to, buf_str(&value), host) < 0)
            return -1;
        p = end + 1;
    }
    return to->failed ? -1 : 0;
}

int hosts_other(const struct client_media_hosts *rules, const char *url, struct buf *out)
{
    static const char scheme[] = "https://";
    const char *at = url + sizeof scheme - 1;
    auto_(buf) struct buf host = BUF_INIT(HOST_MAX);
    auto_(buf) struct buf other = BUF_INIT(HOST_MAX);
    if (!text_starts_with(url, scheme) || buf_add(&host, at, strcspn(at, "/?#:@")) < 0 ||
        !text_ends_with(buf_str(&host), rules->suffix) || at[host.len] != '/' ||
        fill_host(&other, rules->other, url, buf_str(&host)) < 0 ||
        strcmp(buf_str(&host), buf_str(&other)) == 0)
        return -1;
    return buf_addf(out, "%s%s%s", scheme, buf_str(&other), at + host.len);
}
