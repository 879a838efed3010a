/* The pieces of a broadcast that is running: a list that is fetched again and again, and of which each
 * fetching adds what is new. It begins near the end of the first one, at what is on now; what has long been
 * read is forgotten, so that a day takes no more memory than an hour. Pure but for memory. */
#ifndef SLUICE_SERVE_LIVE_LIST_H
#define SLUICE_SERVE_LIVE_LIST_H

#include "site/hls.h"

enum {
    LIVE_LIST_BEHIND = 3, /* pieces before the end at which it begins (RFC 8216 §6.3.3) */
    LIVE_LIST_KEEP = 64,  /* pieces behind the one being read that can be gone back to */
    LIVE_LIST_KEYS_MAX = 4096,
};

/* Embedded; all zero at first. `list` is what readers look at: its strings are ours. */
struct live_list {
    struct hls list;
    size_t room, key_room, forgotten;
    uint64_t next_number;   /* of the first piece that is not in it yet */
    struct hls_segment map; /* the one in force; uri NULL: none. Borrowed from `list` */
    bool began, over;       /* over: there will be no more */
    int64_t target_ms;      /* how long pieces are at most */
};

/* Adds what is new in a list just fetched. *added: how many pieces. ERR_INTERNAL without memory,
 * ERR_UPSTREAM_FAILED too many keys. */
int live_list_take(struct live_list *l, const struct hls *fetched, size_t *added, struct err *err);
/* The piece `index` is being read. */
void live_list_forget(struct live_list *l, size_t index);
void live_list_fini(struct live_list *l);

#endif
