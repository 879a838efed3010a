/* Reads clients.json strictly: an operator's slip is named by its place, and never half-applied. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "site/youtube/clients.h"
#include "site/youtube/fill.h"
#include "site/youtube/po_token.h"

enum want { WANT_ANY, WANT_TEXT, WANT_COUNT, WANT_BOOL, WANT_OBJECT, WANT_ARRAY, WANT_NOTHING };

/* One member of an object: what it must be and where it goes. Optional ones stay NULL. */
struct member {
    const char *name;
    enum want want;
    bool optional;
    size_t offset;
};

#define MEMBER(want, struct_name, member)                                                                    \
    {                                                                                                        \
#member, want, false, offsetof(struct struct_name, member)                                           \
    }
#define NOTE                                                                                                 \
    {                                                                                                        \
        "note", WANT_NOTHING, true, 0                                                                        \
    }

/* What is only walked, not kept. */
struct root_members {
    int version, visitor_ttl_s;
    const json_t *clients, *order, *fallback, *reasons, *adaptive, *media_hosts, *lists, *dates;
};
struct client_members {
    struct client client;
    const json_t *needs, *po_token, *connection;
};
struct connection_members {
    const char *http;
    struct net_look look;
};
struct needs_members {
    bool js, po_token, cookies;
};
struct po_token_members {
    const json_t *contexts, *protocols;
    const char *media_binding;
};
struct rule_members {
    const char *client;
    const json_t *classes, *then;
};
struct reason_members {
    struct client_reason reason;
    const char *class;
};

static const struct member root_table[] = {
    NOTE,
    MEMBER(WANT_COUNT, root_members, version),
    MEMBER(WANT_COUNT, root_members, visitor_ttl_s),
    MEMBER(WANT_ARRAY, root_members, clients),
    MEMBER(WANT_ARRAY, root_members, order),
    MEMBER(WANT_ARRAY, root_members, fallback),
    MEMBER(WANT_ARRAY, root_members, reasons),
    {"adaptive", WANT_OBJECT, true, offsetof(struct root_members, adaptive)},
    {"media_hosts", WANT_OBJECT, true, offsetof(struct root_members, media_hosts)},
    {"lists", WANT_OBJECT, true, offsetof(struct root_members, lists)},
    {"dates", WANT_OBJECT, true, offsetof(struct root_members, dates)},
};
static const struct member dates_table[] = {
    NOTE,
    MEMBER(WANT_TEXT, client_dates, client),
    MEMBER(WANT_TEXT, client_dates, path),
};
static const struct member lists_table[] = {
    NOTE,
    MEMBER(WANT_TEXT, client_lists, client),
    MEMBER(WANT_TEXT, client_lists, browse),
    MEMBER(WANT_TEXT, client_lists, search),
    MEMBER(WANT_TEXT, client_lists, resolve),
    MEMBER(WANT_TEXT, client_lists, search_params),
};
static const struct member media_hosts_table[] = {
    NOTE,
    MEMBER(WANT_TEXT, client_media_hosts, suffix),
    MEMBER(WANT_TEXT, client_media_hosts, other),
};
static const struct member adaptive_table[] = {
    NOTE,
    MEMBER(WANT_COUNT, client_adaptive, explore_percent),
    MEMBER(WANT_COUNT, client_adaptive, failing_below_percent),
    MEMBER(WANT_COUNT, client_adaptive, half_life_s),
    {"hedge_after_ms", WANT_COUNT, true, offsetof(struct client_adaptive, hedge_after_ms)},
    {"hedge_grace_ms", WANT_COUNT, true, offsetof(struct client_adaptive, hedge_grace_ms)},
};
static const struct member client_table[] = {
    NOTE,
    MEMBER(WANT_TEXT, client, key),
    MEMBER(WANT_TEXT, client, name),
    MEMBER(WANT_COUNT, client, id),
    MEMBER(WANT_TEXT, client, version),
    MEMBER(WANT_TEXT, client, family),
    MEMBER(WANT_TEXT, client, host),
    MEMBER(WANT_TEXT, client, path),
    MEMBER(WANT_TEXT, client, visitor_path),
    MEMBER(WANT_TEXT, client, user_agent),
    MEMBER(WANT_OBJECT, client, headers),
    MEMBER(WANT_OBJECT, client, context),
    MEMBER(WANT_OBJECT, client, body),
    MEMBER(WANT_TEXT, client, answer),
    MEMBER(WANT_OBJECT, client_members, needs),
    {"page", WANT_TEXT, true, offsetof(struct client, page)},
    {"page_value", WANT_TEXT, true, offsetof(struct client, page_value)},
    {"po_token", WANT_OBJECT, true, offsetof(struct client_members, po_token)},
    {"connection", WANT_OBJECT, true, offsetof(struct client_members, connection)},
};
static const struct member connection_table[] = {
    NOTE,
    MEMBER(WANT_TEXT, connection_members, http),
    {"tls_min", WANT_TEXT, true, offsetof(struct connection_members, look.tls_min)},
    {"tls_max", WANT_TEXT, true, offsetof(struct connection_members, look.tls_max)},
    {"tls13_ciphers", WANT_TEXT, true, offsetof(struct connection_members, look.tls13_ciphers)},
    {"tls12_ciphers", WANT_TEXT, true, offsetof(struct connection_members, look.tls12_ciphers)},
    {"groups", WANT_TEXT, true, offsetof(struct connection_members, look.groups)},
};
static const struct member po_token_table[] = {
    NOTE,
    MEMBER(WANT_ARRAY, po_token_members, contexts),
    MEMBER(WANT_TEXT, po_token_members, media_binding),
    {"protocols", WANT_ARRAY, true, offsetof(struct po_token_members, protocols)},
};
static const struct member needs_table[] = {
    MEMBER(WANT_BOOL, needs_members, js),
    MEMBER(WANT_BOOL, needs_members, po_token),
    {"cookies", WANT_BOOL, true, offsetof(struct needs_members, cookies)},
};
static const struct member rule_table[] = {
    NOTE,
    MEMBER(WANT_TEXT, rule_members, client),
    MEMBER(WANT_ARRAY, rule_members, classes),
    MEMBER(WANT_ANY, rule_members, then),
};
static const struct member reason_table[] = {
    NOTE,
    {"status", WANT_TEXT, true, offsetof(struct client_reason, status)},
    {"has", WANT_TEXT, true, offsetof(struct client_reason, has)},
    {"equals", WANT_TEXT, true, offsetof(struct client_reason, equals)},
    {"contains", WANT_TEXT, true, offsetof(struct client_reason, contains)},
    MEMBER(WANT_TEXT, reason_members, class),
};

static int wrong(struct err *err, const char *where, const char *what)
{
    return err_set(err, ERR_INTERNAL, "%s: %s", where, what);
}

static int take_member(const struct member *m, const json_t *value, void *to, const char *where,
                       struct err *err)
{
    void *at = (char *)to + m->offset;
    switch (m->want) {
    case WANT_ANY:
        *(const json_t **)at = value;
        return 0;
    case WANT_TEXT:
        *(const char **)at = json_string_value(value);
        return json_is_string(value) ? 0 : wrong(err, where, "expected a string");
    case WANT_COUNT:
        if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > INT_MAX)
            return wrong(err, where, "expected a whole number, not negative");
        *(int *)at = (int)json_integer_value(value);
        return 0;
    case WANT_BOOL:
        *(bool *)at = json_is_true(value);
        return json_is_boolean(value) ? 0 : wrong(err, where, "expected true or false");
    case WANT_OBJECT:
        *(const json_t **)at = value;
        return json_is_object(value) ? 0 : wrong(err, where, "expected an object");
    case WANT_ARRAY:
        *(const json_t **)at = value;
        return json_is_array(value) ? 0 : wrong(err, where, "expected a list");
    case WANT_NOTHING:
        return 0;
    }
    return -1;
}

static bool is_known(const struct member *table, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Reads all members of `object` into *to; a member that the table does not have is a slip, too. */
static int take_members(const struct member *table, size_t count, const json_t *object, void *to,
                        const char *where, struct err *err)
{
    char path[160];
    const char *name;
    json_t *value;
    const char *dot = *where ? "." : "";
    if (!json_is_object(object))
        return wrong(err, *where ? where : "file", "expected an object");
    for (size_t i = 0; i < count; i++) {
        const json_t *member = json_object_get(object, table[i].name);
        (void)snprintf(path, sizeof path, "%s%s%s", where, dot, table[i].name);
        if (!member && !table[i].optional)
            return wrong(err, path, "missing");
        if (member && take_member(&table[i], member, to, path, err) < 0)
            return -1;
    }
    json_object_foreach ((json_t *)object, name, value) {
        if (!is_known(table, count, name))
            return err_set(err, ERR_INTERNAL, "%s%s%.40s: not a known member", where, dot, name);
    }
    return 0;
}

const struct client *clients_find(const struct clients *c, const char *key)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->list[i].key, key) == 0)
            return &c->list[i];
    }
    return NULL;
}

/* Only these characters, at least one. */
static bool made_of(const char *s, const char *set)
{
    return *s && s[strspn(s, set)] == '\0';
}

/* Printable ASCII: fit for a URL or a header value. */
static bool is_plain(const char *s, bool spaces)
{
    for (; *s; s++) {
        if (*s < ' ' || *s > '~' || (*s == ' ' && !spaces))
            return false;
    }
    return true;
}

static int check_headers(const struct client *c, const char *where, struct err *err)
{
    char path[160];
    const char *name;
    json_t *value;
    if (json_object_size(c->headers) > CLIENT_HEADERS_MAX)
        return err_set(err, ERR_INTERNAL, "%s.headers: more than %d", where, CLIENT_HEADERS_MAX);
    json_object_foreach ((json_t *)c->headers, name, value) {
        (void)snprintf(path, sizeof path, "%s.headers.%.40s", where, name);
        if (!made_of(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"))
            return wrong(err, path, "not a header name");
        if (!json_is_string(value) || !is_plain(json_string_value(value), true))
            return wrong(err, path, "expected a string of printable ASCII");
    }
    return 0;
}

/* What a wrong value would break elsewhere: URLs, headers, memory keys. */
static int check_client(const struct clients *all, const struct client *c, const char *where, struct err *err)
{
    const struct {
        const char *name;
        bool ok;
        const char *why;
    } rules[] = {
        {"key", made_of(c->key, "abcdefghijklmnopqrstuvwxyz0123456789_") && strlen(c->key) <= 32,
         "expected up to 32 of a-z 0-9 _"},
        {"key", !clients_find(all, c->key), "used twice"},
        {"name", made_of(c->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"), "expected A-Z 0-9 _"},
        {"version", *c->version && is_plain(c->version, false), "expected printable ASCII"},
        {"family", made_of(c->family, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") && strlen(c->family) <= 32,
         "expected up to 32 of A-Z 0-9 _"},
        {"host", made_of(c->host, "abcdefghijklmnopqrstuvwxyz0123456789.-:"), "expected a host name"},
        {"path", c->path[0] == '/' && is_plain(c->path, false), "expected a path that begins with /"},
        {"visitor_path", c->visitor_path[0] == '/' && is_plain(c->visitor_path, false),
         "expected a path that begins with /"},
        {"page", !c->page || (c->page[0] == '/' && is_plain(c->page, false)),
         "expected a path that begins with /"},
        {"page_value",
         c->page ? c->page_value && strlen(c->page_value) <= 64 &&
                       made_of(c->page_value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
                 : !c->page_value,
         "expected up to 64 letters, beside a page"},
        {"user_agent", *c->user_agent && is_plain(c->user_agent, true), "expected printable ASCII"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (!rules[i].ok)
            return err_set(err, ERR_INTERNAL, "%s.%s: %s", where, rules[i].name, rules[i].why);
    }
    if (check_headers(c, where, err) < 0)
        return -1;
    return fill_check(c, where, err);
}

static int take_po_token(struct client *c, const json_t *object, const char *client, struct err *err)
{
    char where[64];
    struct po_token_members m = {.contexts = NULL};
    (void)snprintf(where, sizeof where, "%s.po_token", client);
    if (take_members(po_token_table, ARRAY_LEN(po_token_table), object, &m, where, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(m.contexts); i++) {
        const char *name = json_string_value(json_array_get(m.contexts, i));
        int context = name ? po_context_of(name, strlen(name)) : -1;
        if (context < 0)
            return err_set(err, ERR_INTERNAL, "%s.contexts[%zu]: expected gvs, player or subs", where, i);
        c->po_contexts |= 1U << context;
    }
    c->po_protocols = m.protocols ? 0 : PO_HTTPS | PO_HLS;
    for (size_t i = 0; i < json_array_size(m.protocols); i++) {
        const char *name = json_string_value(json_array_get(m.protocols, i));
        unsigned bit = name && strcmp(name, "https") == 0 ? PO_HTTPS
                       : name && strcmp(name, "hls") == 0 ? PO_HLS
                                                          : 0;
        if (!bit)
            return err_set(err, ERR_INTERNAL, "%s.protocols[%zu]: expected https or hls", where, i);
        c->po_protocols |= bit;
    }
    c->po_binds_video = strcmp(m.media_binding, "video") == 0;
    if (!c->po_binds_video && strcmp(m.media_binding, "visitor") != 0)
        return err_set(err, ERR_INTERNAL, "%s.media_binding: expected visitor or video", where);
    return 0;
}

static int take_connection(struct client *c, const json_t *object, const char *client, struct err *err)
{
    char where[64];
    struct err unknown;
    struct connection_members m = {.http = NULL};
    (void)snprintf(where, sizeof where, "%s.connection", client);
    if (take_members(connection_table, ARRAY_LEN(connection_table), object, &m, where, err) < 0)
        return -1;
    m.look.http2 = strcmp(m.http, "2") == 0;
    if (!m.look.http2 && strcmp(m.http, "1.1") != 0)
        return err_set(err, ERR_INTERNAL, "%s.http: expected 1.1 or 2", where);
    if (net_look_check(&m.look, &unknown) < 0)
        return err_set(err, ERR_INTERNAL, "%s.%s: not known to OpenSSL", where, unknown.text);
    c->look = m.look;
    return 0;
}

static int take_clients(struct clients *out, const json_t *list, struct err *err)
{
    if (json_array_size(list) == 0 || json_array_size(list) > CLIENTS_MAX)
        return err_set(err, ERR_INTERNAL, "clients: expected 1 to %d", CLIENTS_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        char where[40];
        char needs_where[48];
        struct client_members m = {.needs = NULL};
        struct needs_members needs = {false, false, false};
        (void)snprintf(where, sizeof where, "clients[%zu]", i);
        (void)snprintf(needs_where, sizeof needs_where, "%s.needs", where);
        if (take_members(client_table, ARRAY_LEN(client_table), json_array_get(list, i), &m, where, err) < 0)
            return -1;
        if (take_members(needs_table, ARRAY_LEN(needs_table), m.needs, &needs, needs_where, err) < 0)
            return -1;
        if (check_client(out, &m.client, where, err) < 0)
            return -1;
        if (m.connection && take_connection(&m.client, m.connection, where, err) < 0)
            return -1;
        if (m.po_token && take_po_token(&m.client, m.po_token, where, err) < 0)
            return -1;
        m.client.needs_js = needs.js;
        m.client.needs_po_token = needs.po_token;
        m.client.needs_cookies = needs.cookies;
        out->list[out->count++] = m.client;
    }
    return 0;
}

static int take_order(struct clients *out, const json_t *list, struct err *err)
{
    if (json_array_size(list) == 0 || json_array_size(list) > CLIENTS_MAX)
        return err_set(err, ERR_INTERNAL, "order: expected 1 to %d", CLIENTS_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *key = json_string_value(json_array_get(list, i));
        const struct client *c = key ? clients_find(out, key) : NULL;
        if (!c)
            return err_set(err, ERR_INTERNAL, "order[%zu]: expected the key of a client", i);
        out->order[out->order_count++] = c;
    }
    return 0;
}

static int take_classes(const json_t *list, unsigned *bits, const char *where, struct err *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        enum youtube_class c = name ? youtube_class_of(name) : CLASS_COUNT;
        if (c >= CLASS_OK)
            return err_set(err, ERR_INTERNAL, "%s.classes[%zu]: not a class", where, i);
        *bits |= 1U << c;
    }
    return 0;
}

/* "next", "stop", a key, or a list of keys. */
static int take_then(const struct clients *all, struct client_rule *rule, const json_t *value)
{
    const char *word = json_string_value(value);
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    rule->then = word && strcmp(word, "stop") == 0   ? RULE_STOP
                 : word && strcmp(word, "next") == 0 ? RULE_NEXT
                                                     : RULE_CLIENT;
    if (rule->then != RULE_CLIENT)
        return 0;
    for (size_t i = 0; i < count && i < CLIENT_NEXT_MAX; i++) {
        const char *key = word ? word : json_string_value(json_array_get(value, i));
        const struct client *c = key ? clients_find(all, key) : NULL;
        if (!c)
            return -1;
        rule->next[rule->next_count++] = c;
    }
    return count > 0 && count <= CLIENT_NEXT_MAX ? 0 : -1;
}

static int take_rules(struct clients *out, const json_t *list, struct err *err)
{
    if (json_array_size(list) > CLIENTS_RULES_MAX)
        return err_set(err, ERR_INTERNAL, "fallback: more than %d", CLIENTS_RULES_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        char where[40];
        struct rule_members m = {.client = NULL};
        struct client_rule *rule = &out->rules[out->rule_count];
        (void)snprintf(where, sizeof where, "fallback[%zu]", i);
        if (take_members(rule_table, ARRAY_LEN(rule_table), json_array_get(list, i), &m, where, err) < 0 ||
            take_classes(m.classes, &rule->classes, where, err) < 0)
            return -1;
        rule->client = clients_find(out, m.client);
        if (!rule->client && strcmp(m.client, "*") != 0)
            return err_set(err, ERR_INTERNAL, "%s.client: expected the key of a client, or *", where);
        if (take_then(out, rule, m.then) < 0)
            return err_set(err, ERR_INTERNAL,
                           "%s.then: expected the key of a client, a list of up to %d, next or stop", where,
                           CLIENT_NEXT_MAX);
        out->rule_count++;
    }
    return 0;
}

static int take_reasons(struct clients *out, const json_t *list, struct err *err)
{
    if (json_array_size(list) > CLIENTS_RULES_MAX)
        return err_set(err, ERR_INTERNAL, "reasons: more than %d", CLIENTS_RULES_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        char where[40];
        struct reason_members m = {.class = NULL};
        (void)snprintf(where, sizeof where, "reasons[%zu]", i);
        if (take_members(reason_table, ARRAY_LEN(reason_table), json_array_get(list, i), &m, where, err) < 0)
            return -1;
        m.reason.class = youtube_class_of(m.class);
        if (m.reason.class >= CLASS_OK)
            return err_set(err, ERR_INTERNAL, "%s.class: not a class", where);
        out->reasons[out->reason_count++] = m.reason;
    }
    return 0;
}

static int take_adaptive(struct clients *out, const json_t *object, struct err *err)
{
    /* As in the file built in: one of an operator's that is older does not have it. */
    struct client_adaptive *a = &out->adaptive;
    *a = (struct client_adaptive){.explore_percent = 10,
                                  .failing_below_percent = 50,
                                  .half_life_s = 900,
                                  .hedge_after_ms = 3000,
                                  .hedge_grace_ms = 2000};
    if (object && take_members(adaptive_table, ARRAY_LEN(adaptive_table), object, a, "adaptive", err) < 0)
        return -1;
    if (a->explore_percent > 100 || a->failing_below_percent > 100)
        return wrong(err, "adaptive", "more than 100 percent");
    if (a->half_life_s < 1 || a->half_life_s > 86400)
        return wrong(err, "adaptive.half_life_s", "expected 1 to 86400");
    return 0;
}

static int take_media_hosts(struct clients *out, const json_t *object, struct err *err)
{
    struct client_media_hosts *m = &out->media_hosts;
    *m = (struct client_media_hosts){".googlevideo.com", "rr{fvip}---{mn}.googlevideo.com"}; /* the same */
    if (object &&
        take_members(media_hosts_table, ARRAY_LEN(media_hosts_table), object, m, "media_hosts", err) < 0)
        return -1;
    if (m->suffix[0] != '.' || !made_of(m->suffix, "abcdefghijklmnopqrstuvwxyz0123456789.-"))
        return wrong(err, "media_hosts.suffix", "expected a host name that begins with a dot");
    if (!made_of(m->other, "abcdefghijklmnopqrstuvwxyz0123456789.-{}_") ||
        !text_ends_with(m->other, m->suffix))
        return wrong(err, "media_hosts.other", "expected a host name that ends in the suffix");
    return 0;
}

static int take_lists(struct clients *out, const json_t *object, struct err *err)
{
    struct client_lists *l = &out->lists;
    *l = (struct client_lists){
        .client = "web",
        .browse = "/youtubei/v1/browse?prettyPrint=false",
        .search = "/youtubei/v1/search?prettyPrint=false",
        .resolve = "/youtubei/v1/navigation/resolve_url?prettyPrint=false",
        .search_params = "EgIQAQ%3D%3D",
    }; /* the same */
    if (object && take_members(lists_table, ARRAY_LEN(lists_table), object, l, "lists", err) < 0)
        return -1;
    const char *const paths[] = {l->browse, l->search, l->resolve};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (paths[i][0] != '/' || !is_plain(paths[i], false))
            return wrong(err, "lists", "expected paths that begin with /");
    }
    return 0;
}

static int take_dates(struct clients *out, const json_t *object, struct err *err)
{
    struct client_dates *d = &out->dates;
    *d = (struct client_dates){"web",
                               "/youtubei/v1/player?prettyPrint=false&$fields=microformat"}; /* the same */
    if (object && take_members(dates_table, ARRAY_LEN(dates_table), object, d, "dates", err) < 0)
        return -1;
    return d->path[0] == '/' && is_plain(d->path, false)
               ? 0
               : wrong(err, "dates.path", "expected a path that begins with /");
}

static int take_root(struct clients *out, struct err *err)
{
    struct root_members m = {.version = 0};
    if (take_members(root_table, ARRAY_LEN(root_table), out->root, &m, "", err) < 0)
        return -1;
    if (m.version != 1)
        return wrong(err, "version", "this Sluice reads version 1");
    out->visitor_ttl_s = m.visitor_ttl_s;
    if (take_clients(out, m.clients, err) < 0 || take_order(out, m.order, err) < 0 ||
        take_rules(out, m.fallback, err) < 0 || take_reasons(out, m.reasons, err) < 0 ||
        take_adaptive(out, m.adaptive, err) < 0 || take_media_hosts(out, m.media_hosts, err) < 0 ||
        take_lists(out, m.lists, err) < 0 || take_dates(out, m.dates, err) < 0)
        return -1;
    return 0;
}

int clients_parse(struct clients **out, const char *json, size_t len, struct err *err)
{
    json_error_t at;
    struct clients *c = NULL;
    if (len > CLIENTS_MAX_BYTES)
        return err_set(err, ERR_INTERNAL, "file: more than %d bytes", CLIENTS_MAX_BYTES);
    json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &at);
    if (!root)
        return err_set(err, ERR_INTERNAL, "line %d, column %d: %s", at.line, at.column, at.text);
    c = calloc(1, sizeof *c);
    if (!c) {
        json_decref(root);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    c->root = root;
    c->references = 1;
    if (take_root(c, err) < 0) {
        clients_release(c);
        return -1;
    }
    *out = c;
    return 0;
}
