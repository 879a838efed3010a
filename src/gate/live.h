/* The live table: one record for each stream of all processes of this host, running or waiting. What an
 * operator looks at, what /health counts, and what the limit of streams per client is counted with.
 *
 * It is a file, data_dir/live. A process that streams has a number in it and holds a lock that stands for the
 * number, which the kernel releases when the process ends, however it ends: from then on nobody sees or
 * counts its records, and their slots are taken again. Who takes over the number clears them first.
 *
 * What a record says contains no address, no URL and no title. Read with pread(), written with pwrite(), like
 * gate/table.h: whoever cuts the file short or fills it with noise makes the list wrong, nothing more.
 *
 * Threads: all functions are safe from any; a struct live_slot is used by one at a time. Processes: open
 * after fork(). One host only. */
#ifndef SLUICE_GATE_LIVE_H
#define SLUICE_GATE_LIVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"
#include "base/err.h"

enum {
    LIVE_SLOTS = 20000,        /* at once on a host; more are not listed */
    LIVE_PROCESSES_MAX = 1024, /* at once; those of more are not listed */
    LIVE_UPDATE_MS = 1000,     /* how often an owner is expected to call live_update() */
};

enum live_state { LIVE_WAITING = 1, LIVE_STREAMING, LIVE_MAKING, LIVE_STATE_END };

/* Longer texts are cut, and all but printable ASCII becomes '?'. */
struct live_stream {
    char request[20]; /* the request's id */
    char key[28];     /* the API key's id, "": none */
    char choice[32];
    char site[16];
    uint64_t title_hash; /* tells whether two are of the same thing */
    int64_t started_unix_s;
    uint64_t total_bytes; /* 0: unknown */
    uint64_t sent_bytes;
    uint64_t bytes_per_s;  /* since the update before */
    enum live_state state; /* live_take() and live_update() set it */
};

struct live_counts {
    int64_t waiting, streaming, making;
};

struct live;

/* Opens (creates) data_dir/live. A process that only looks takes no number. */
int live_open(struct live **out, const char *data_dir, struct err *err);
/* Gives back what this process still held. NULL is fine. */
void live_close(struct live *l);
DEFINE_AUTO_PTR(live, live_close)

/* One stream's place in the table. Zeroed: none; all functions then do nothing. */
struct live_slot {
    uint32_t number; /* from 1 */
    int64_t updated_mono_us;
    struct live_stream stream;
};

/* Enters a stream, as waiting. `client` (may be NULL: nobody counts) says whose it is, as something that
 * stands for a person without naming them: a key's id, a keyed hash of an address. When that client has
 * `max_per_client` (0: no limit) already, whichever process they are in: ERR_QUOTA_EXCEEDED with
 * retry_after_s, exact also when they all come at once. It returns 0 and leaves `slot` empty when there is no
 * room, or the file cannot be written: a list that is not complete is no reason not to serve. */
int live_take(struct live *l, struct live_slot *slot, const struct live_stream *stream, const char *client,
              int64_t max_per_client, struct err *err);
/* Says how it goes; cheap enough for every stream once in LIVE_UPDATE_MS. slot->stream is the owner's to
 * change between calls; `bytes_per_s` is computed here. 1: an operator wants it to end; else 0. */
int live_update(struct live *l, struct live_slot *slot, enum live_state state, uint64_t sent_bytes);
/* Once is enough, twice is fine. */
void live_release(struct live *l, struct live_slot *slot);

/* All of them, oldest first; free(*out). What a process writes meanwhile may be missing. */
int live_list(struct live *l, struct live_stream **out, size_t *count, struct err *err);
int live_count(struct live *l, struct live_counts *out, struct err *err);
/* Asks the owner to end the stream of that request. 1 asked, 0 there is none, -1 error. */
int live_stop(struct live *l, const char *request, struct err *err);

/* "waiting", "streaming", "making". */
const char *live_state_name(enum live_state state);

#endif
