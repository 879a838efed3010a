/* Link in, description out. The network is passed in, so that every test runs offline on recorded answers. */
#ifndef SLUICE_SITE_SITE_H
#define SLUICE_SITE_SITE_H

#include "net/net.h"
#include "site/description.h"
#include "site/link.h"

struct js;              /* site/youtube/challenges/js.h */
struct engine_settings; /* site/engines/engines.h */

/* What became of a step, for whoever keeps count or looks into a failure: see site_env.note. Texts are
 * borrowed, never NULL. */
struct site_note {
    enum site_step {
        SITE_OUTCOME, /* a client of the site was asked for a video, and this came of it */
        SITE_SOLVED,  /* challenges of its answer were solved */
        SITE_SAID,    /* anything else worth a line; `why` has it */
    } step;
    const char *client;  /* "visionos"; "" none */
    const char *kind;    /* of SITE_OUTCOME: "normal", "kids", … (youtube/classes.h) */
    int credit;          /* of SITE_OUTCOME: 1 speaks for the client, -1 against it, 0 only of the video */
    const char *outcome; /* of SITE_OUTCOME: "ok", "bot_check", … (youtube/classes.h) */
    const char *why;     /* the site's words, or what failed */
    int64_t took_ms;
    size_t formats;            /* of SITE_OUTCOME */
    size_t signatures, params; /* of SITE_SOLVED: how many were solved, … */
    size_t unsolved;           /* … and how many formats were lost */
};

/* How a client has fared of late: outcomes that speak for it and against it, older ones counting less, and
 * how long its good answers take. */
struct site_score {
    double good, bad;
    double took_ms; /* 0: unknown */
};

/* After so long, a helper process that was lost is there again: see serve/helpers.h. */
enum { SITE_HELPER_BACK_S = 3 };

struct site_env {
    /* As net_call(). */
    int (*call)(void *ctx, const struct net_call *call, struct net_answer *answer, struct err *err);
    void *call_ctx;
    /* Small texts kept between calls and processes, e.g. visitorData per client family: get appends the value
     * (-1: none), put replaces it. Either may be NULL: nothing is remembered. */
    int (*get)(void *ctx, const char *key, struct buf *out);
    void (*put)(void *ctx, const char *key, const char *value, int64_t expires_unix_s);
    void *memo_ctx;
    /* The operator's cookies for the host of a URL: net_cookies(). NULL: there are none. */
    int (*cookies)(void *ctx, const char *url, struct buf *out);
    void *cookies_ctx;
    const char *clients_file;     /* NULL or "": built-in client profiles */
    struct js *js;                /* runs player scripts; NULL: clients that need one are not asked */
    const char *players_dir;      /* keeps prepared player scripts; NULL: nothing is kept */
    const char *pot_provider_url; /* youtube/po_token.h; NULL or "": none */
    const char *po_tokens;        /* the same, made by hand; NULL or "": none */
    const char *way;              /* by which the calls leave: net/egress.h; NULL: there is but one */
    const char *proxy;            /* of that way, for the token provider; NULL or "": none */
    const char *egress;           /* all of that way's name; NULL: the usual one */
    const char *only_client;      /* the only one to be asked, whatever the order says; NULL: as it says */
    int date_wait_ms;             /* for a video's date: youtube/date.h; 0: it is not asked for */
    void (*note)(void *ctx, const struct site_note *note); /* any thread; NULL: nobody listens */
    void *note_ctx;
    /* What of the notes is remembered; outcomes count half after `half_life_s`. NULL: nothing is. */
    void (*score)(void *ctx, const char *client, const char *kind, int half_life_s, struct site_score *out);
    void *score_ctx;
    const struct engine_settings *engines; /* NULL: our own extractors alone */
};

/* Describes a link of kind LINK_YOUTUBE_VIDEO or LINK_DIRECT. *out: description_free().
 * Errors: every code of the contract that names why a video cannot be had. */
int site_describe(const struct site_env *env, const struct link *link, struct description **out,
                  struct err *err);

/* For when a source of a description dies. Neither asks anything of the network.
 * Where else the file of this URL may be had with the same rights: appends that URL; -1: nowhere. */
int site_other_host(const struct site_env *env, const char *url, struct buf *out);
/* Who else may be asked about the video: the n-th client (for only_client) besides the one which a
 * description's `engine` names. -1: there are no more. */
enum { SITE_CLIENT_MAX = 33 };
int site_other_client(const struct site_env *env, const char *engine, unsigned n,
                      char client[SITE_CLIENT_MAX]);

/* The extractor can work: its client profiles load. For readiness; asks nothing of the network. */
int site_check(const struct site_env *env, struct err *err);

#endif
