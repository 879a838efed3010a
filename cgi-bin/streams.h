/* `sluice streams`: what is being streamed on this host, and ending one of it. */
#ifndef SLUICE_CGI_BIN_STREAMS_H
#define SLUICE_CGI_BIN_STREAMS_H

#define STREAMS_USAGE                                                                                        \
    "  streams [--json]    list what is being streamed on this host\n"                                       \
    "  streams stop ID [--json]\n"                                                                           \
    "                      end the one of that request\n"

/* The arguments after `streams`. Exit code: 0 done, 1 it failed, 2 misuse, 3 there is no such stream. */
int streams_command(int argc, char **argv);

#endif
