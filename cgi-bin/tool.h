/* What the commands of `sluice` share: exit codes, and how they say things. */
#ifndef SLUICE_CGI_BIN_TOOL_H
#define SLUICE_CGI_BIN_TOOL_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

/* The exit codes of every command; the manual lists them. */
enum { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_MISUSE = 2, TOOL_NONE = 3 /* what was named does not exist */ };

/* Says on standard error what went wrong; TOOL_FAILED. */
int tool_failed(const struct err *err);
/* The same about the arguments, with the command's usage; TOOL_MISUSE. */
int tool_misuse(const char *what, const char *usage);
/* Prints it on standard output, and frees it: TOOL_DONE or TOOL_FAILED. NULL: it could not be made. */
int tool_print_json(json_t *root);
/* Takes `--json` out of the arguments; whether it was there. */
bool tool_take_json(int *argc, char **argv);

#endif
