/* What the files of the doctor share. Internal to them. */
#ifndef SLUICE_SERVE_DOCTOR_IMPL_H
#define SLUICE_SERVE_DOCTOR_IMPL_H

#include "base/buf.h"
#include "serve/doctor.h"

struct net;

struct doctor {
    const struct doctor_opts *opts;
    const struct config *config;
    const char *check; /* that is running */
    void (*each)(void *ctx, const struct doctor_finding *finding);
    void *ctx;
    enum doctor_grade worst;
    struct net *net; /* opened by the first who asks; NULL: not yet */
    char url[512];   /* opts->url without a slash at its end, or what was found; "": unknown */
    bool reached;    /* the outside world, by one way out at least */
};

/* One finding. `fix` may be NULL. */
void doctor_say(struct doctor *d, enum doctor_grade grade, const char *fix, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with a fix that is written anew each time. */
void doctor_say_fix(struct doctor *d, enum doctor_grade grade, const char *text, const char *fix_fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The fetch gate; NULL with *err. */
struct net *doctor_net(struct doctor *d, struct err *err);

/* What the web server answered: doctor_page_fini(). */
struct doctor_page {
    int status;
    struct buf body;
};
void doctor_page_fini(struct doctor_page *page);
/* GET; `header` ("Name: value") may be NULL. http:// goes straight to the server, wherever it is: the
 * operator has named it. https:// goes through the fetch gate, so only to public addresses. */
int doctor_get(struct doctor *d, const char *address, const char *header, struct doctor_page *out,
               struct err *err);

/* The checks, by the file they are in. */
typedef void doctor_check_fn(struct doctor *d);
doctor_check_fn doctor_data_dir, doctor_owners, doctor_docroot, doctor_file_system, doctor_disk; /* _disk.c */
doctor_check_fn doctor_sockets, doctor_web, doctor_server_file;                                  /* _web.c */
doctor_check_fn doctor_upstream, doctor_telegram, doctor_s3;                                     /* _net.c */

DEFINE_AUTO(doctor_page, doctor_page_fini)

#endif
