/* The client profiles: how the site is asked, in which order, and what its refusals mean. All of it is data
 * (clients.json), because it changes monthly: built in, and replaceable by an operator without rebuilding.
 *
 * A struct clients is immutable and counted: readers hold the snapshot they began with while another thread
 * puts a newer one in its place. Every string is borrowed from the snapshot's JSON. */
#ifndef SLUICE_SITE_YOUTUBE_CLIENTS_H
#define SLUICE_SITE_YOUTUBE_CLIENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/defs.h"
#include "base/err.h"
#include "net/net.h"
#include "site/youtube/classes.h"

enum {
    CLIENTS_MAX_BYTES = 256 * 1024,
    CLIENTS_MAX = 16,
    CLIENT_HEADERS_MAX = 16,
    CLIENTS_RULES_MAX = 64,
    CLIENT_NEXT_MAX = 4,
    CLIENTS_DEPTH_MAX = 12, /* of context and body */
};

/* One profile. Strings are templates: see fill.h for the placeholders. */
struct client {
    const char *key;  /* "visionos": ours, in order, rules and the `engine` of a description */
    const char *name; /* "VISIONOS": the site's */
    int id;
    const char *version;
    const char *family; /* visitorData is shared within a family */
    const char *host;
    const char *path;         /* with query */
    const char *visitor_path; /* where visitorData comes from */
    const char *user_agent;   /* also for the media it names */
    const char *page; /* with query; a page of the site that says something it has to say again; NULL: none */
    const char *page_value; /* the name of that, in the page's JSON */
    bool needs_js;          /* what it gives has to be transformed (challenges/) */
    bool needs_po_token;    /* proof-of-origin tokens: see po_token.h */
    bool needs_cookies;     /* of an account: see account.h */
    unsigned po_contexts;   /* for what: bits 1 << enum po_context */
    unsigned po_protocols;  /* media that need them: enum po_protocol */
    bool po_binds_video;    /* tokens for media are bound to the video, not to the visitor */
    struct net_look look;   /* how it shakes hands; .user_agent is not set */
    const json_t *headers;
    const json_t *context;
    const json_t *body;
    const char *answer; /* member of the answer that holds the player response; "": the answer itself */
};

/* After `client` (NULL: any) ended in one of `classes` (bits 1 << class): */
struct client_rule {
    const struct client *client;
    unsigned classes;
    enum { RULE_STOP, RULE_NEXT, RULE_CLIENT } then;
    const struct client *next[CLIENT_NEXT_MAX]; /* of RULE_CLIENT: the first that can be asked */
    size_t next_count;
};

/* A refusal is of `class` where all members that are not NULL hold. */
struct client_reason {
    const char *status;   /* playabilityStatus.status is this */
    const char *has;      /* playabilityStatus has this member (a dotted path) */
    const char *equals;   /* the reason is this */
    const char *contains; /* reason, messages or sub-reason contain this; case-insensitive */
    enum youtube_class class;
};

/* How outcomes change the order: see order.h. */
struct client_adaptive {
    int explore_percent;       /* of extractions begin with a client that has been failing */
    int failing_below_percent; /* of successes: such a client is asked last */
    int half_life_s;           /* so long ago, an outcome counts half */
    int hedge_after_ms;        /* a client that takes longer, and three times as long as usual, gets company;
                                  0: never */
    int hedge_grace_ms;        /* an answer with nothing but small files waits so long for the other's */
};

/* Where else a file may be had: see hosts.h. */
struct client_media_hosts {
    const char *suffix, *other;
};

/* How lists are asked for: see listing.h. */
struct client_lists {
    const char *client;                    /* the key of the one to ask as */
    const char *browse, *search, *resolve; /* paths */
    const char *search_params;             /* videos only */
};

/* How the day a video came out is asked for: see date.h. */
struct client_dates {
    const char *client; /* the key of the one to ask as */
    const char *path;   /* with query */
};

struct clients {
    int visitor_ttl_s;
    struct client_dates dates;
    struct client_lists lists;
    struct client_media_hosts media_hosts;
    struct client_adaptive adaptive;
    struct client list[CLIENTS_MAX];
    size_t count;
    const struct client *order[CLIENTS_MAX];
    size_t order_count;
    struct client_rule rules[CLIENTS_RULES_MAX];
    size_t rule_count;
    struct client_reason reasons[CLIENTS_RULES_MAX];
    size_t reason_count;
    json_t *root; /* owns every string */
    unsigned references;
};

/* Reads and validates. Errors: ERR_INTERNAL naming the place, "line 3, column 7: …" of what is no JSON, else
 * the member, "clients[1].version: expected a string".
 * *out: clients_release(). */
int clients_parse(struct clients **out, const char *json, size_t len, struct err *err);

/* By key; NULL: there is none. */
const struct client *clients_find(const struct clients *c, const char *key);

/* The text of the built-in ones; static. */
const char *clients_built_in(void);

/* The profiles in force: those of `file`, or the built-in ones (NULL, "", or there is no such file). The file
 * is looked at on every call and read again when it changed; one that cannot be used is logged once and
 * changes nothing (at first: the built-in ones are used). NULL only without memory. clients_release() when
 * done. Any thread. */
struct clients *clients_acquire(const char *file);
void clients_release(struct clients *clients);

DEFINE_AUTO_PTR(clients, clients_release)

#endif
