/* The bookkeeping of a forward read by ranges: what to ask for next, and whether an answer is one to that.
 * Private to net/. No I/O, no memory of its own; threads: none. */
#ifndef SLUICE_NET_SPAN_H
#define SLUICE_NET_SPAN_H

#include "net/head.h"

#define SPAN_UNKNOWN UINT64_MAX

struct span {
    uint64_t next;        /* the first byte that has not come yet */
    uint64_t end;         /* exclusive; SPAN_UNKNOWN: the end of a resource whose size is not known yet */
    uint64_t total;       /* size of the resource; 0: not known yet */
    uint64_t first, last; /* asked for by the request under way; inclusive */
    uint64_t stop;        /* its answer ends before this byte; SPAN_UNKNOWN: it says so when it is there */
    char etag[128];       /* strong, from the first answer; "": none */
    char last_modified[64];
};

/* length 0: to the end; total 0: unknown. ERR_BAD_RANGE when that cannot be. */
int span_init(struct span *s, uint64_t offset, uint64_t length, uint64_t total, struct err *err);
bool span_done(const struct span *s);
/* Fixes first and last: from `next`, at most FETCH_RANGE_MAX bytes. */
void span_ask(struct span *s);
/* Checks the head of a 200 or 206 against what was asked and what is known; learns total, end and stop.
 * ERR_UPSTREAM_FAILED, with upstream_status, when its bytes are not, or may not be, those of the resource. */
int span_accept(struct span *s, const struct head *h, struct err *err);
/* Whether a 416 only says that the resource, its size unknown until now, ends where we are. */
bool span_ended_by(const struct span *s, const struct head *h);
/* From here on another URL answers: validators of the one before do not count. */
void span_forget_validators(struct span *s);

#endif
