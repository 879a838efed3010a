/* `sluice gc`: deletes what has expired. The programs do so by themselves as they work; this is for
 * installations where they live for one request, and for whoever needs the room now. */
#ifndef SLUICE_CGI_BIN_GC_H
#define SLUICE_CGI_BIN_GC_H

#define GC_USAGE "  gc [--json]         delete what has expired and what is over its limit, at once\n"

/* The arguments after `gc`. Exit code: 0 done, 1 some of it failed, 2 misuse. */
int gc_command(int argc, char **argv);

#endif
