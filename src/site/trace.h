/* A record of one extraction, step by step: what was asked, what came, what was made of it. For `sluice
 * extract`, and for the last failures that an operator can look at.
 *
 * It holds no secrets: of a URL host and path, of header fields those that say who asks (the values of others
 * only by their length), of bodies the size. Threads: notes may come from any. */
#ifndef SLUICE_SITE_TRACE_H
#define SLUICE_SITE_TRACE_H

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>

#include "site/site.h"

enum { TRACE_STEPS_MAX = 100 }; /* what comes after is counted only */

struct trace {
    pthread_mutex_t lock;
    int64_t began_us;
    json_t *steps; /* list of objects: "at_ms", "step", and what the step has */
    size_t left_out;
    struct site_env under; /* what it passes everything on to */
};

/* Puts itself between `env` and its world. Not moved until trace_end(). */
void trace_begin(struct trace *t, struct site_env *env);
/* The steps, the caller's: json_decref(). NULL without memory. */
json_t *trace_end(struct trace *t);
/* One step for people, in lines. */
int trace_line(const json_t *step, struct buf *out);
/* Text of upstream made harmless for a terminal: its control characters, but for ends of lines, go. */
int trace_print(const char *text, FILE *to);

#endif
