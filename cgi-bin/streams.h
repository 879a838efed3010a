/* `sluice streams`: what is being streamed on this host, from the live table (gate/live.h). */
#ifndef SLUICE_CGI_BIN_STREAMS_H
#define SLUICE_CGI_BIN_STREAMS_H

enum { STREAMS_MISUSE = 2 };

/* The arguments after `streams`. Returns the exit code: 0; 1 with a message, also when there is no stream to
 * stop; STREAMS_MISUSE without. */
int streams_command(int argc, char **argv);

#endif
