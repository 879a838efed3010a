/* Uploads in parts that have begun and not ended: what a job needs to go on with one that another worker has
 * begun, and what is needed to throw away those that nobody will go on with. Which parts there are only the
 * storage knows. One row for each job. Threads and errors as in store.h. */
#ifndef SLUICE_STORE_UPLOADS_H
#define SLUICE_STORE_UPLOADS_H

#include "store/jobs.h"

enum { STORE_UPLOAD_PLACE_MAX = 512, STORE_UPLOAD_NAME_MAX = 1024, STORE_UPLOAD_ETAG_MAX = 64 };

struct store_upload {
    char job[STORE_JOB_ID_LEN + 1];
    char place[STORE_UPLOAD_PLACE_MAX + 1]; /* the bucket */
    char object[STORE_UPLOAD_NAME_MAX + 1]; /* its name there */
    char upload[STORE_UPLOAD_NAME_MAX + 1]; /* "": not begun yet, as far as is known */
    char etag[STORE_UPLOAD_ETAG_MAX + 1];   /* of the file; "": it has to be sent from its beginning */
    uint64_t part_bytes;
};

/* In place of what there was of that job. */
int store_upload_put(struct store *s, const struct store_upload *upload, struct err *err);
/* 1 found, 0 there is none, -1 error. */
int store_upload_get(struct store *s, const char *job, struct store_upload *out, struct err *err);
int store_upload_drop(struct store *s, const char *job, struct err *err);
/* One at `place` whose job has been over for so long, or is gone: 1 found, 0 there is none, -1 error. */
int store_upload_left(struct store *s, const char *place, int64_t over_ms, struct store_upload *out,
                      struct err *err);

#endif
