/* Configuration for web servers and for systemd, printed with the paths of this machine filled in: `sluice
 * snippet NAME`, and the file that `sluice serve` gives its lighttpd.
 *
 * Templates are files of this directory, embedded at build. `@NAME@` is replaced by a value; a line that
 * begins with `@?NAME@` is kept only where that value is not empty (several of them: all). So one template
 * serves a server's variants. */
#ifndef SLUICE_CGI_BIN_SNIPPET_H
#define SLUICE_CGI_BIN_SNIPPET_H

#include "base/buf.h"
#include "base/err.h"

struct snippet_values {
    const char *prefix;   /* the folder in the address: "" or "/media" */
    const char *docroot;  /* the pages */
    const char *programs; /* directory of info.fcgi and stream.fcgi */
    const char *sluice;   /* this program */
    const char *run_dir;  /* of sockets */
    const char *address;  /* that the web server listens on */
    const char *port;
    const char *outputs; /* the directory of kept files (data_dir/outputs), where the web server may send them
                            by itself (the setting `sendfile`); "": it may not */
    const char *config;  /* for programs that the web server starts: the settings file; "": the usual one */
};

/* The names, one a line. */
int snippet_list(struct buf *out);
/* Appends the snippet `name` ("nginx.conf"). Errors: ERR_NOT_FOUND no such name; ERR_INTERNAL a value that
 * could not stand between quotes in every one of these languages, or a prefix that is none. */
int snippet_print(struct buf *out, const char *name, const struct snippet_values *values, struct err *err);

#endif
