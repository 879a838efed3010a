/* Files of cookies. What goes into a request's header field does not end it, and is no longer than it may be.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/cookies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const urls[] = {"https://www.site.example/videos/1?x", "http://site.example/"};
    struct err err;
    struct cookies *c = NULL;
    struct cookies *again = NULL;
    check(cookies_open(&c, "/var/empty", &err) == 0 || cookies_open(&c, "/", &err) == 0);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        auto_(guard) struct guard guard = {0};
        auto_(guard_url) struct guard_url url = {0};
        auto_(buf) struct buf out = BUF_INIT(COOKIES_MAX_BYTES);
        check(guard_init(&guard, "80,443", &err) == 0 && guard_url_check(&guard, urls[i], &url, &err) == 0);
        (void)cookies_of(c, &url, &out); /* looks at the directory, which is done with for a while */
        check(i > 0 || out.len == 0);
        if (i == 0)
            (void)cookies_add(c, (const char *)data, size);
        (void)cookies_of(c, &url, &out);
        check(!out.failed && !strpbrk(buf_str(&out), "\r\n"));
        /* Lines for others are such a file again, of as many cookies. */
        auto_(buf) struct buf lines = BUF_INIT(65536);
        size_t count = cookies_lines_of(c, &url, &lines);
        auto_(buf) struct buf same = BUF_INIT(65536);
        check(!lines.failed &&
              (cookies_open(&again, "/var/empty", &err) == 0 || cookies_open(&again, "/", &err) == 0));
        (void)cookies_lines_of(again, &url, &same);
        check(cookies_add(again, buf_str(&lines), lines.len) == 0);
        check(cookies_lines_of(again, &url, &same) == count && same.len == lines.len &&
              memcmp(buf_str(&same), buf_str(&lines), same.len) == 0);
        cookies_close(again);
    }
    cookies_close(c);
    return 0;
}
