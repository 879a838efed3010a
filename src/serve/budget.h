/* Bytes per day: of a key, or of an address without one. A download takes what it will send from the budget
 * when it begins, in one statement, so that any number at once never get more than there is; what was not
 * sent comes back when it ends. A file whose length is not known before counts when it ends. Counted in KiB,
 * as GCRA: N bytes at once, and then they come back evenly over a day.
 *
 * What a killed process had taken and not sent is lost until the day is over.
 * Threads: all functions from any; budget_end() does not wait. */
#ifndef SLUICE_SERVE_BUDGET_H
#define SLUICE_SERVE_BUDGET_H

#include "serve/auth.h"

enum { BUDGET_WINDOW_S = 86400, BUDGET_UNIT_BYTES = 1024 };

/* Zeroed: nothing is counted. */
struct budget {
    char subject[STORE_SUBJECT_MAX];
    struct gcra policy; /* in units */
    int64_t taken;
};

/* How many bytes a day, 0: no limit. */
struct gcra budget_of(int64_t bytes_per_day);
/* The row it is counted in, of auth.subject. */
void budget_subject(const char *subject, char out[STORE_SUBJECT_MAX]);
/* What there is of it now: `full` as in gate/gcra.h. */
int budget_look(struct app *app, const struct auth *who, int64_t *full_unix_us, struct err *err);
/* `length` 0: not known. ERR_QUOTA_EXCEEDED, and the headers say of what. */
int budget_begin(struct app *app, const struct auth *who, uint64_t length, struct http_response *res,
                 struct budget *out, struct err *err);
/* Once is enough, twice is fine. */
void budget_end(struct app *app, struct budget *b, uint64_t sent_bytes);

/* What has ended and is not settled. */
struct budgets;
int budgets_open(struct budgets **out, struct store *store, struct err *err);
void budgets_close(struct budgets *b); /* settles; NULL is fine */
void budgets_tick(struct budgets *b);  /* settles; call it now and then */

#endif
