/* An output (output.h) into an object of the bucket (s3.h): in parts, several at once, of constant memory,
 * each repeated when it fails. Which upload a job has begun is written down (store/uploads.h): so another
 * worker goes on with it where the first one was killed, when the file is still the same one and can be
 * entered at an offset, and one that nobody goes on with is thrown away. */
#ifndef SLUICE_SERVE_S3_UPLOAD_H
#define SLUICE_SERVE_S3_UPLOAD_H

#include "serve/jobs.h"
#include "serve/output.h"
#include "serve/s3.h"

enum {
    S3_UPLOAD_THREADS = 3,             /* parts on their way at once */
    S3_UPLOAD_MEMORY_BYTES = 20 << 20, /* for parts; but at least one is on its way while one is filled */
    S3_UPLOAD_SWEEP_MS = 3000,
    S3_UPLOAD_OVER_MS = 2000, /* a worker knows that its job is cancelled after JOBS_LOOK_MS */
};

/* Borrowed for the call. */
struct s3_upload {
    struct job *job;
    struct output *output; /* found, not begun */
    const char *key;       /* the object's name, unless an upload is gone on with */
};

/* Blocks; says how far it is by job_progress(). `key`: the name it has. Errors: those of s3.h and of the
 * output; ERR_BUSY cancelled. */
int s3_upload_run(const struct s3_upload *u, char key[S3_KEY_MAX + 1], uint64_t *bytes, struct err *err);

/* Throws away what jobs that are over have left behind, from now on, on a thread of its own. Nothing is
 * started where there is no bucket. */
int s3_upload_sweep_start(struct app *app, struct err *err);
void s3_upload_sweep_stop(struct app *app);

#endif
