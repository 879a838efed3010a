/* Putting a relative reference and its base together, and host names into ASCII, by libcurl's own parser,
 * like all that reads URLs here.
 */
#include <curl/curl.h>
#include <locale.h>
#include <string.h>

#include "base/text.h"
#include "net/net.h"

int net_url_join(const char *base, const char *reference, struct buf *out, struct err *err)
{
    char *text = NULL;
    CURLU *u = curl_url();
    bool good = u && curl_url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK &&
                curl_url_set(u, CURLUPART_URL, reference, CURLU_NON_SUPPORT_SCHEME | CURLU_ALLOW_SPACE) ==
                    CURLUE_OK &&
                curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK && buf_adds(out, text) == 0;
    curl_free(text);
    curl_url_cleanup(u);
    return good ? 0 : err_set(err, ERR_BAD_URL, "a reference that leads nowhere");
}

uint16_t net_url_port(const char *url)
{
    char *text = NULL;
    uint64_t port = 0;
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_PORT, &text, CURLU_DEFAULT_PORT) == CURLUE_OK)
        (void)text_parse_u64(text, 1, UINT16_MAX, &port);
    curl_free(text);
    curl_url_cleanup(u);
    return (uint16_t)port;
}

static bool is_ascii(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] > 0x7f)
            return false;
    return true;
}

/* libidn2 takes names in the thread's character set. What it makes of some signs is more than a name
 * ("a/c" of U+2100). */
static int host_ascii(const char *host, size_t len, struct buf *out, struct err *err)
{
    auto_(buf) struct buf url = BUF_INIT(2048);
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
    char *text = NULL;
    CURLU *u = curl_url();
    bool good = u && buf_adds(&url, "http://") == 0 && buf_add(&url, host, len) == 0 &&
                curl_url_set(u, CURLUPART_URL, buf_str(&url), 0) == CURLUE_OK &&
                curl_url_get(u, CURLUPART_HOST, &text, CURLU_PUNYCODE) == CURLUE_OK && *text &&
                text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")] ==
                    '\0' &&
                buf_adds(out, text) == 0;
    curl_free(text);
    curl_url_cleanup(u);
    if (before)
        (void)uselocale(before);
    if (utf8)
        freelocale(utf8);
    return good ? 0 : err_set(err, ERR_BAD_URL, "a host that is no name");
}

int net_url_ascii(const char *url, struct buf *out, struct err *err)
{
    size_t start = strcspn(url, "/?#");
    if (start > 0 && strncmp(url + start - 1, "://", 3) == 0)
        start += 2;
    else
        start = strspn(url, " \t\r\n");
    size_t len = strcspn(url + start, "/?#: \t\r\n");
    if (is_ascii(url + start, len))
        return buf_adds(out, url) < 0 ? err_set(err, ERR_BAD_URL, "a very long link") : 0;
    (void)buf_add(out, url, start);
    if (host_ascii(url + start, len, out, err) < 0)
        return -1;
    return buf_adds(out, url + start + len) < 0 ? err_set(err, ERR_BAD_URL, "a very long link") : 0;
}
