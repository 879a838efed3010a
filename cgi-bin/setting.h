/* `sluice setting` and `sluice maintenance`: settings that change while programs run; see serve/settings.h.
 */
#ifndef SLUICE_CGI_BIN_SETTING_H
#define SLUICE_CGI_BIN_SETTING_H

#define SETTING_USAGE                                                                                           \
    "  maintenance [on|off] [--message TEXT] [--json]\n"                                                        \
    "                      refuse new downloads and jobs, with a message, on all hosts of this database;\n"     \
    "                      what runs goes on to its end\n"                                                      \
    "  setting [--json]    list what was changed while programs run\n"                                          \
    "  setting set NAME VALUE [--json]\n"                                                                       \
    "                      change one, here and on all hosts within a second; -: the value is the first line\n" \
    "                      of the standard input\n"                                                             \
    "  setting reset NAME [--json]\n"                                                                           \
    "                      back to what file and environment say\n"

/* The arguments after the command. Exit codes as of every command; 3: no such change. */
int setting_command(int argc, char **argv);
int maintenance_command(int argc, char **argv);

#endif
