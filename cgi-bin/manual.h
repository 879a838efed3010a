/* The manual pages, made of what the programs themselves go by: sluice(1) of the list that `sluice help`
 * prints, sluice.conf(5) of the table of settings. So they cannot disagree with them. */
#ifndef SLUICE_CGI_BIN_MANUAL_H
#define SLUICE_CGI_BIN_MANUAL_H

#include "base/buf.h"

/* Both append roff with the man macros; -1: out of memory. `usage`: after its first line, two blanks in front
 * of each command's arguments, ten where these go on, and from column 22 on what it does. */
int manual_of_commands(struct buf *out, const char *usage);
int manual_of_settings(struct buf *out);

#endif
