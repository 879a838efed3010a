/* See locale.h. */
#include "base/locale.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

const struct locale *locale_find(const char *tag)
{
    size_t len = strcspn(tag, "-_,; \t");
    for (const struct locale *l = locales; l->tag; l++) {
        if (strlen(l->tag) == len && strncasecmp(l->tag, tag, len) == 0)
            return l;
    }
    return NULL;
}

/* Some two hundred rows, and a page takes some sixty texts: not worth an index. */
static const char *look_up(const struct locale *locale, const char *key)
{
    for (const struct locale_text *t = locale->texts; t->key; t++) {
        if (strcmp(t->key, key) == 0)
            return t->text;
    }
    return NULL;
}

const char *locale_text(const struct locale *locale, const char *key)
{
    const char *text = look_up(locale, key);
    for (const struct locale *l = locales; !text && l->tag; l++)
        text = strcmp(l->tag, "en") == 0 ? look_up(l, key) : NULL;
    return text ? text : "";
}
