/* `sluice serve`: Sluice complete on one address, for `make run` and for hosts without an init system of
 * their own.
 *
 * It opens the programs' sockets itself and keeps them open, so that while a program is being restarted
 * (crash, kill -9) requests queue for a moment instead of failing; starts lighttpd in front; ends everything
 * when it is told to, or when a program does not start at all. Several may run on one data directory, each on
 * its own port.
 *
 * SIGHUP replaces the programs without refusing anybody: the new ones take requests from the same sockets;
 * once they have proved to live, the old ones are told to end, which lets what they send finish
 * (stop_grace_s). */
#ifndef SLUICE_CGI_BIN_SUPERVISE_H
#define SLUICE_CGI_BIN_SUPERVISE_H

#include <stdbool.h>

struct supervise_opts {
    const char *address; /* to listen on: "127.0.0.1" */
    unsigned port;
    const char *data_dir; /* absolute */
    const char *docroot;  /* the pages */
    const char *programs; /* directory of info.fcgi and stream.fcgi */
    bool sends_files;     /* lighttpd may send what is kept (the setting `sendfile`) */
};

/* Stays in the foreground until SIGINT or SIGTERM, then stops every child. Returns the exit code. */
int supervise(const struct supervise_opts *opts);

/* `sluice hold`: the same for one program ("info.fcgi" or "stream.fcgi") on the socket that is descriptor 0,
 * for init systems: SIGHUP replaces it, SIGTERM lets it finish what it sends. */
/* Whether it is the name of a program that can be held. */
bool supervise_holds(const char *name);
int supervise_held(const char *programs, const char *name);

#endif
