/* See xml.h. */
#include "site/xml.h"

#include <expat.h>
#include <string.h>

#include "base/buf.h"

enum { CHUNK_BYTES = 64 << 10, ALIGN = sizeof(void *) };

/* The tree lies in chunks that are freed as one. */
struct chunk {
    struct chunk *next;
    size_t used, size;
    char *bytes;
};

struct xml {
    struct chunk *chunks;
    size_t bytes; /* of all chunks */
    struct xml_node *root;
};

struct parser {
    struct xml *doc;
    XML_Parser expat;
    struct xml_node *open[XML_DEPTH_MAX], *last[XML_DEPTH_MAX]; /* elements begun; the latest child of each */
    size_t depth;
    struct buf text;
    const char *failure;
};

void xml_free(struct xml *x)
{
    while (x && x->chunks) {
        struct chunk *c = x->chunks;
        x->chunks = c->next;
        free(c->bytes);
        free(c);
    }
    free(x);
}

static struct chunk *add_chunk(struct xml *x, size_t least)
{
    size_t size = least > CHUNK_BYTES ? least : CHUNK_BYTES;
    if (size > XML_TREE_BYTES_MAX - x->bytes)
        return NULL;
    struct chunk *c = calloc(1, sizeof *c);
    if (!c || !(c->bytes = malloc(size))) {
        free(c);
        return NULL;
    }
    c->size = size;
    c->next = x->chunks;
    x->chunks = c;
    x->bytes += size;
    return c;
}

static void *take(struct xml *x, size_t size)
{
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    struct chunk *c = x->chunks;
    if (size > XML_TREE_BYTES_MAX || ((!c || size > c->size - c->used) && !(c = add_chunk(x, size))))
        return NULL;
    c->used += size;
    return c->bytes + c->used - size;
}

static const char *copy(struct xml *x, const char *s, size_t len)
{
    char *to = take(x, len + 1);
    if (to) {
        memcpy(to, s, len);
        to[len] = '\0';
    }
    return to;
}

static void stop(struct parser *p, const char *why)
{
    p->failure = why;
    (void)XML_StopParser(p->expat, XML_FALSE);
}

static struct xml_node *make_node(struct xml *x, const char *name, const char **attributes)
{
    size_t count = 0;
    const char *colon = strrchr(name, ':');
    while (attributes[count])
        count++;
    struct xml_node *n = take(x, sizeof *n);
    const char **own = take(x, (count + 1) * sizeof *own);
    if (!n || !own)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (!(own[i] = copy(x, attributes[i], strlen(attributes[i]))))
            return NULL;
    }
    own[count] = NULL;
    name = colon ? colon + 1 : name;
    *n = (struct xml_node){.name = copy(x, name, strlen(name)), .text = "", .attributes = own};
    return n->name ? n : NULL;
}

static void XMLCALL on_start(void *ctx, const char *name, const char **attributes)
{
    struct parser *p = ctx;
    buf_clear(&p->text);
    if (p->depth == XML_DEPTH_MAX) {
        stop(p, "too deep");
        return;
    }
    struct xml_node *n = make_node(p->doc, name, attributes);
    if (!n) {
        stop(p, "too much");
        return;
    }
    if (p->depth == 0)
        p->doc->root = n;
    else if (p->last[p->depth - 1])
        p->last[p->depth - 1]->next = n;
    else
        p->open[p->depth - 1]->first = n;
    if (p->depth > 0)
        p->last[p->depth - 1] = n;
    p->open[p->depth] = n;
    p->last[p->depth++] = NULL;
}

static void XMLCALL on_end(void *ctx, const char *name)
{
    static const char blank[] = " \t\r\n";
    struct parser *p = ctx;
    struct xml_node *n = p->open[--p->depth];
    (void)name;
    const char *text = buf_str(&p->text);
    text += strspn(text, blank);
    size_t len = strlen(text);
    while (len && strchr(blank, text[len - 1]))
        len--;
    if (len && !n->first && !(n->text = copy(p->doc, text, len)))
        stop(p, "too much");
    buf_clear(&p->text);
}

static void XMLCALL on_text(void *ctx, const char *text, int len)
{
    struct parser *p = ctx;
    (void)buf_add(&p->text, text, (size_t)len);
}

static void XMLCALL on_doctype(void *ctx, const char *name, const char *system, const char *public, int own)
{
    (void)name, (void)system, (void)public, (void)own;
    stop(ctx, "a document type");
}

static int read_all(struct parser *p, const char *text, size_t len, struct err *err)
{
    XML_SetUserData(p->expat, p);
    XML_SetElementHandler(p->expat, on_start, on_end);
    XML_SetCharacterDataHandler(p->expat, on_text);
    XML_SetStartDoctypeDeclHandler(p->expat, on_doctype);
    if (XML_Parse(p->expat, text, (int)len, XML_TRUE) != XML_STATUS_OK)
        return err_set(err, ERR_UNSUPPORTED_SITE, "xml: %s", p->failure ? p->failure : "not well formed");
    return 0;
}

int xml_parse(struct xml **out, const char *text, size_t len, struct err *err)
{
    struct parser p = {.text = BUF_INIT(XML_TEXT_MAX)};
    if (len > XML_TREE_BYTES_MAX)
        return err_set(err, ERR_UNSUPPORTED_SITE, "xml: too much");
    p.doc = calloc(1, sizeof *p.doc);
    p.expat = XML_ParserCreate(NULL);
    int rc = p.doc && p.expat ? read_all(&p, text, len, err) : err_set(err, ERR_INTERNAL, "out of memory");
    if (p.expat)
        XML_ParserFree(p.expat);
    buf_fini(&p.text);
    if (rc < 0)
        xml_free(steal(&p.doc));
    *out = p.doc;
    return rc;
}

const struct xml_node *xml_root(const struct xml *x)
{
    return x->root;
}

const char *xml_attribute(const struct xml_node *node, const char *name)
{
    for (const char *const *a = node->attributes; *a; a += 2) {
        if (strcmp(a[0], name) == 0)
            return a[1];
    }
    return NULL;
}

const struct xml_node *xml_child(const struct xml_node *node, const char *name, const struct xml_node *after)
{
    const struct xml_node *n = after ? after->next : node ? node->first : NULL;
    while (n && strcmp(n->name, name) != 0)
        n = n->next;
    return n;
}
