/* sluice usage: what was asked for, and how it went. */
#ifndef SLUICE_CGI_BIN_USAGE_H
#define SLUICE_CGI_BIN_USAGE_H

#define USAGE_USAGE                                                                                          \
    "  usage [--by hour|day|key|route|site|choice|error] [--days N] [--key ID] [--limit N] [--offset N]\n"   \
    "          [--json]\n"                                                                                   \
    "                      requests, errors, bytes, answers from memory and times to the first byte of\n"    \
    "                      the last N days (default 30, by day); --key: only with that key\n"

/* The arguments after `usage`. Exit code: 0 done, 1 it failed, 2 misuse. */
int usage_command(int argc, char **argv);

#endif
