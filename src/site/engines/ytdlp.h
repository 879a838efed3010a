/* yt-dlp, where it is installed: every site that we have no extractor for.
 *
 * It is somebody else's program that reads hostile pages, in a language with its own sockets and shells. So
 * it runs as a resident child (cgi-bin/sluice-dlp.c, ytdlp.py) without environment, files to write, programs
 * to start, or sockets: each connection it wants is made by the fetch gate, under the same rules as every
 * other, and handed to it as one end of a pair. A question costs milliseconds of CPU, not the second that
 * starting it takes. What it answers is data: checked like a page, and fetched by us.
 *
 * A child that dies in the middle of a question costs it one more; one that takes too long or too much is
 * ended, and the question fails. Threads: any; questions run beside each other, in YTDLP_CHILDREN_MAX
 * children at most. */
#ifndef SLUICE_SITE_ENGINES_YTDLP_H
#define SLUICE_SITE_ENGINES_YTDLP_H

#include "site/engines/engines.h"

enum {
    YTDLP_CHILDREN_MAX = 3, /* of about 70 MB each */
    YTDLP_ANSWER_MAX = 8 << 20,
    YTDLP_MISSING_S = 600, /* where it is not installed, that is found out so often */
    YTDLP_MEASURE_MAX = 4, /* formats whose size is asked for */
};

struct ytdlp;

struct ytdlp_opts {
    const char *directory; /* holds sluice-dlp */
    const char *python;    /* interpreter */
    const char *path;      /* directory or zip file with a newer yt-dlp; "": the installed one */
    const char *proxy_url, *ipv6_subnet, *ca_file, *ports;
    int connect_ms;
    int timeout_s; /* of one question */
};

/* Starts the keeper. *out: ytdlp_close(). Error: it is not there. */
int ytdlp_open(struct ytdlp **out, const struct ytdlp_opts *opts, struct err *err);
void ytdlp_close(struct ytdlp *y); /* NULL is fine */
/* Whether its processes have ended, so that nobody will answer any more. `y` may be NULL: false. */
bool ytdlp_is_gone(const struct ytdlp *y);

bool ytdlp_takes(const struct site_env *env, const struct link *link);
int ytdlp_describe(const struct site_env *env, const struct link *link, const struct err *before,
                   struct description **out, struct err *err);

/* An answer about `link`. `env` for the manifests it names. Errors: what it says, if that is one of ours;
 * ERR_UPSTREAM_FAILED. */
int ytdlp_read(const struct site_env *env, const struct link *link, const char *text, size_t len,
               struct description **out, struct err *err);

DEFINE_AUTO_PTR(ytdlp, ytdlp_close)

#endif
