/* Admissions taken ahead. A subject that asks often costs a write now and then instead of one per request:
 * the process takes some admissions beside those it needs now, and spends them from memory. Internal to
 * store/; what callers see is store_rate_admit().
 *
 * How many: as many as the process admitted lately in CREDIT_MS, and at most 1/CREDIT_SHARE of what is left;
 * fewer than CREDIT_LEAST are not worth it. So who asks seldom, and a limit that is small or nearly used up,
 * is counted one by one, and a process that is killed loses little.
 *
 * Why a limit of N still admits exactly N: what is not spent within CREDIT_MS goes back, by a thread of its
 * own; the row says how many processes hold something (`lent`) and until when that matters; and nobody is
 * refused while another process does: who would be waits until it is back, or CREDIT_LENT_MS have passed
 * because its holder was killed. More than N is impossible: what is held was taken from the row before.
 *
 * Threads: all functions are safe from any. Those of one process that wait for the same subject are served by
 * one statement. */
#ifndef SLUICE_STORE_CREDIT_H
#define SLUICE_STORE_CREDIT_H

#include <pthread.h>
#include <stdbool.h>

#include "store/rate.h"

enum {
    CREDIT_MS = 200,
    CREDIT_LENT_MS = 2000,
    CREDIT_SHARE = 32,
    CREDIT_LEAST = 8,
    CREDIT_SUBJECTS = 256, /* that can be hot at once in a process; others are counted one by one */
};

/* What this process holds of a subject, and those who wait for more. */
struct credit {
    char subject[STORE_SUBJECT_MAX]; /* "": nobody's */
    int64_t interval_us, capacity_us;
    int64_t full_unix_us; /* of the row, as seen last */
    int64_t left;         /* taken and not spent */
    int64_t until_mono_us;
    bool lent; /* the row counts this process among those that hold something */
    bool busy; /* a thread is at the database for it */
    unsigned waiting;
    unsigned round, refused_round, failed_round; /* who came before such a round has its result */
    struct err err;                              /* of failed_round */
    int64_t window_mono_us;                      /* how often it is asked for: in this window, and before */
    int64_t asked, asked_before;
};

struct credits {
    pthread_mutex_t lock;
    pthread_cond_t served; /* something changed for those who wait */
    pthread_cond_t lending;
    bool busy;         /* one statement at a time in a process: SQLite has but one writer anyway */
    unsigned failures; /* counted, so that those in line need not try the same in vain */
    struct err err;    /* of the last one */
    bool closing, has_keeper;
    pthread_t keeper; /* gives back */
    struct credit of[CREDIT_SUBJECTS];
};

struct store;
int credits_init(struct credits *all);
/* Gives back what is held. Before the pool goes. */
void credits_fini(struct store *s);
/* All that `rate.subject` has at this process, in terms of `full`. */
int64_t credits_held(struct store *s, const struct store_rate *rate);

#endif
