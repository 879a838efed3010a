/* The page's link check: src/site/link.c as WebAssembly, with one text in and one link out, both in memory of
 * its own. The script writes at most link_text_max() bytes to link_text(), calls link_check() and reads
 * link_url(). */
#include "site/link.h"

#define EXPORT(name) __attribute__((export_name(#name)))

static char text[2 * LINK_MAX_BYTES];
static struct link link;

EXPORT(link_text) char *link_text(void)
{
    return text;
}

EXPORT(link_text_max) unsigned link_text_max(void)
{
    return sizeof text;
}

EXPORT(link_check) int link_check(unsigned len)
{
    return link_parse(&link, text, len <= sizeof text ? len : 0);
}

EXPORT(link_url) const char *link_url(void)
{
    return link.url;
}

EXPORT(link_id) const char *link_id(void)
{
    return link.id;
}
