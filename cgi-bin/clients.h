/* `sluice clients`: how the site's clients have fared. */
#ifndef SLUICE_CGI_BIN_CLIENTS_H
#define SLUICE_CGI_BIN_CLIENTS_H

#define CLIENTS_USAGE                                                                                        \
    "  clients [--failures] [--json]\n"                                                                      \
    "                      how each client of the site fared over an hour and a day, and why it failed;\n"   \
    "                      or the last extractions that failed, step by step\n"

/* The arguments after `clients`. Exit code: 0 done, 1 it failed, 2 misuse. */
int clients_command(int argc, char **argv);

#endif
