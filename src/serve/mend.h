/* Keeps a stream going whose sources die: finds the same bytes elsewhere, step by step (ladder.h). For feeds
 * (feed.h) and for what is made (sources.h) alike.
 *
 * Threads: one at a time; mend_renew() may block for as long as a description takes. */
#ifndef SLUICE_SERVE_MEND_H
#define SLUICE_SERVE_MEND_H

#include "serve/choice.h"
#include "serve/feed.h"
#include "serve/ladder.h"

struct app;

struct mend {
    /* What is sent; borrowed. */
    struct app *app;
    const char *link;
    const struct choice_wish *wish;
    struct description **description; /* replaced by mend_adopt(), … */
    struct choice *choice;            /* … and this with it */
    uint64_t length;                  /* of the file, for a format that does not tell its size */
    /* Its own; zeroed. */
    struct ladder ladder;
    char *elsewhere[CHOICE_FORMATS_MAX]; /* URLs on other hosts, in place of the description's */
};

/* Fills in where the bytes are now; texts are borrowed until mend_adopt(). */
void mend_sources(const struct mend *m, struct pump_source sources[PLAN_SOURCES_MAX]);

/* Source number `source` has failed with *why when `at` bytes had been sent. The way on, for mend_adopt() or
 * mend_discard(); NULL with *err: there is none. */
void *mend_renew(struct mend *m, unsigned source, uint64_t at, const struct err *why, struct err *err);
void mend_adopt(struct mend *m, void *fresh, struct pump_source sources[PLAN_SOURCES_MAX]);
void mend_discard(void *fresh);
void mend_fini(struct mend *m);

#endif
