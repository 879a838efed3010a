/* A stream's line in the live table (gate/live.h), kept up to date while its bytes go. Threads: one at a
 * time. */
#ifndef SLUICE_SERVE_SHOWN_H
#define SLUICE_SERVE_SHOWN_H

#include <stdbool.h>

#include "serve/app.h"
#include "site/description.h"

/* Zeroed: not in the table; all functions but shown_begin() then do nothing. */
struct shown {
    struct live *live;
    struct live_slot slot;
    enum live_state moving; /* what it is when it does not wait */
    uint64_t sent_bytes;
    bool stopped;
};

struct shown_what {
    const struct description *description;
    const char *choice;
    const char *request; /* its id */
    const char *client;  /* auth.subject */
    const char *key;     /* the id of the API key, "": none */
    int64_t streams_max; /* of that client at once; 0: no limit */
    uint64_t total_bytes;
    bool is_made; /* by libav */
};

/* Enters it, waiting. ERR_QUOTA_EXCEEDED: the client has streams_max already. */
int shown_begin(struct shown *s, const struct app *app, const struct shown_what *what, struct err *err);
/* It has its place at the gate. -1: ERR_BUSY, as an operator has stopped it. */
int shown_run(struct shown *s, struct err *err);
/* So many bytes more are gone. */
void shown_take(struct shown *s, size_t bytes);
/* -1: ERR_BUSY, as an operator has stopped it. */
int shown_check(const struct shown *s, struct err *err);
void shown_end(struct shown *s);

#endif
