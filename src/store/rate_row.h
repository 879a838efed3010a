/* Rows of rate limits, one statement each, on a connection that the caller has. Internal to store/. */
#ifndef SLUICE_STORE_RATE_ROW_H
#define SLUICE_STORE_RATE_ROW_H

#include "store/db.h"
#include "store/rate.h"

struct rate_row {
    int64_t full_unix_us; /* at least now */
    int64_t lent;         /* processes that hold admissions not spent, as far as that still matters */
};
int rate_row_look(struct db *db, const char *subject, int64_t now_unix_us, struct rate_row *out,
                  struct err *err);

/* How many to take. */
struct rate_wish {
    int64_t need;  /* as many of these as there are */
    int64_t extra; /* and these, if all of both can be had */
    bool holds;    /* the process is counted among the lenders already */
};
/* How many were taken, or -1; row->full_unix_us is right in any case, row->lent if there were not enough. */
int64_t rate_row_take(struct db *db, const struct store_rate *r, const struct rate_wish *wish,
                      struct rate_row *row, struct err *err);
/* Gives `count` back and counts this process no longer among the lenders. */
int rate_row_give_back(struct db *db, const struct store_rate *r, int64_t count, struct err *err);

#endif
