/* src/site/link.c in a native build, for the test that compares it with the one in the page: texts from
 * standard input, each ended by a zero byte; out come kind, id and link, one line each. */
#include <stdio.h>

#include "site/link.h"

int main(void)
{
    static char text[3 * LINK_MAX_BYTES];
    static struct link link;
    size_t len = 0;
    for (int c; (c = getchar()) != EOF;) {
        if (c != 0) {
            if (len < sizeof text)
                text[len++] = (char)c;
            continue;
        }
        int kind = (int)link_parse(&link, text, len);
        (void)printf("%d %s %s\n", kind, link.id, link.url);
        len = 0;
    }
    return 0;
}
