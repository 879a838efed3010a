/* See header_lines.h. */
#include "site/header_lines.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"

int header_lines_init(struct header_lines *h, const char *text)
{
    size_t count = 0;
    *h = (struct header_lines){.text = NULL};
    if (!text)
        return 0;
    h->text = strdup(text);
    if (!h->text)
        return -1;
    for (char *line = h->text; *line && count < HEADER_LINES_MAX;) {
        size_t len = strcspn(line, "\n");
        bool more = line[len] == '\n';
        line[len] = '\0';
        if (len > 0)
            h->lines[count++] = line;
        line += len + more;
    }
    return 0;
}

void header_lines_fini(struct header_lines *h)
{
    free(h->text);
    *h = (struct header_lines){.text = NULL};
}

int header_lines_add(struct buf *text, const char *name, const char *value)
{
    static const char *const known[] = {"Accept", "Accept-Language", "Authorization",
                                        "Cookie", "Origin",          "Referer"};
    if (!*value || text_has_control(value))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (text_equal_nocase(known[i], name))
            return buf_addf(text, "%s: %s\n", known[i], value);
    }
    return 0;
}
