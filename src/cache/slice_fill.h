/* A slice being written, seen from those who read along; internal to cache/. For whoever writes it: slices.h.
 */
#ifndef SLUICE_CACHE_SLICE_FILL_H
#define SLUICE_CACHE_SLICE_FILL_H

#include "cache/slices_impl.h"

/* Somebody in a loop who waits for more of it. All zero: nobody. */
struct slice_waiter {
    struct loop *loop;
    struct loop_post post;
    struct slice_waiter *next, **at; /* at NULL: not waiting */
};

void slice_name(char out[STORE_SLICE_NAME_MAX], const struct slice_content *c, uint64_t number);

/* With the lock held; NULL is fine. */
struct slice_fill *slice_fill_hold(struct slice_fill *f);
void slice_fill_drop(struct slices *s, struct slice_fill *f); /* NULL is fine */
int slice_fill_fd(const struct slice_fill *f);
uint64_t slice_fill_version(struct slice_fill *f);
/* It is whole, or was given up. */
bool slice_fill_is_over(struct slice_fill *f);
/* How many bytes are there; when these are no more than `offset`, `w` will be told of more, once. */
size_t slice_fill_wait(struct slices *s, struct slice_fill *f, size_t offset, struct slice_waiter *w);
/* In its loop's thread. */
void slice_waiter_remove(struct slices *s, struct slice_waiter *w);

#endif
