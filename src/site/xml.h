/* Small XML documents as a tree, read by expat. Nothing but elements, attributes and text: a document type,
 * and with it every entity of its own, is refused, so nothing is expanded and nothing is fetched. Every byte
 * is hostile. */
#ifndef SLUICE_SITE_XML_H
#define SLUICE_SITE_XML_H

#include <stddef.h>

#include "base/defs.h"
#include "base/err.h"

enum {
    XML_DEPTH_MAX = 32,
    XML_TREE_BYTES_MAX = 48 << 20,
    XML_TEXT_MAX = 16 << 10, /* of one element; what is longer is left out */
};

/* All strings are borrowed from the document and valid UTF-8. Names are without their prefix. */
struct xml_node {
    const char *name;
    const char *text;              /* of an element without others in it, trimmed; "" none */
    const char *const *attributes; /* name, value, …, NULL */
    const struct xml_node *first, *next;
};

struct xml;

/* *out: xml_free(). ERR_UNSUPPORTED_SITE: not well formed, or beyond a limit. */
int xml_parse(struct xml **out, const char *text, size_t len, struct err *err);
const struct xml_node *xml_root(const struct xml *x);
void xml_free(struct xml *x); /* NULL is fine */

/* NULL: there is none. */
const char *xml_attribute(const struct xml_node *node, const char *name);
/* The first child of that name; behind `after` where that is not NULL. `node` may be NULL. */
const struct xml_node *xml_child(const struct xml_node *node, const char *name, const struct xml_node *after);

DEFINE_AUTO_PTR(xml, xml_free)

#endif
