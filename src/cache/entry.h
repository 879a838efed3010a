/* How a value or a failure is written in the store. Internal to cache/.
 *
 * content, 8 bytes when it was made (wall clock, microseconds, big-endian), 1 byte kind. At the end, so that
 * taking it off a value that was just read moves nothing. */
#ifndef SLUICE_CACHE_ENTRY_H
#define SLUICE_CACHE_ENTRY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum entry_kind {
    ENTRY_VALUE = 'V',    /* for everybody until it expires */
    ENTRY_HANDOVER = 'H', /* only for those who were asking when it was made */
    ENTRY_FAILURE = 'E',  /* content: see entry_add_failure() */
};

enum { ENTRY_TRAILER_BYTES = 9 };

/* Makes an entry of the content in *b. */
int entry_seal(struct buf *b, enum entry_kind kind, int64_t made_unix_us);
/* Takes the trailer of what follows `from` in *b off again; -1 when it is none. */
int entry_open(struct buf *b, size_t from, enum entry_kind *kind, int64_t *made_unix_us);

/* "code upstream_status retry_after_s text": names of codes outlive a new version of the program, numbers of
 * an enum do not. */
int entry_add_failure(struct buf *b, const struct err *failure);
int entry_read_failure(const char *text, struct err *failure);

#endif
