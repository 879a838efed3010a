/* Is this installation in order? A table of checks, each of which says what it found, and where something is
 * wrong the line that puts it right. For `sluice doctor` and for the admin pages.
 *
 * Threads: any. A check changes nothing but a scratch file in data_dir, which it removes. Those that ask
 * somebody (the web server, the outside world) wait DOCTOR_ASK_MS for each answer. */
#ifndef SLUICE_SERVE_DOCTOR_H
#define SLUICE_SERVE_DOCTOR_H

#include <stdbool.h>

#include "base/config.h"
#include "base/sandbox.h"

enum { DOCTOR_ASK_MS = 5000 };

enum doctor_grade { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_finding {
    const char *check; /* static: "data_dir" */
    enum doctor_grade grade;
    char text[512]; /* one line, without secrets */
    char fix[512];  /* a command or a line of a configuration; "": nothing to do */
};

/* All borrowed. NULL: not known, and found out as far as that is possible. */
struct doctor_opts {
    const struct config *config;
    const char *config_file;       /* NULL: config_path() */
    const char *url;               /* where the pages are: "http://127.0.0.1:8080/media/" */
    const char *docroot;           /* what the web server shows */
    const char *programs;          /* directory of info.fcgi and stream.fcgi; NULL: that of this program */
    const char *server_file;       /* the web server's configuration; NULL: below /etc */
    const struct sandbox *sandbox; /* of this process; NULL: tried out in a child */
    bool offline;                  /* the outside world is not asked */
    bool confined;                 /* by a program in its sandbox, which cannot ask its own web server */
};

/* "ok", "warn", "fail". */
const char *doctor_grade_name(enum doctor_grade grade);
/* Runs all checks in turn and calls `each` for every finding, one or more a check. The worst grade. */
enum doctor_grade doctor_run(const struct doctor_opts *opts,
                             void (*each)(void *ctx, const struct doctor_finding *finding), void *ctx);

#endif
