/* What runs player scripts and yt-dlp beside this program. Each of the two is watched over by a process that
 * starts it anew when it dies (cgi-bin/sluice-keep.c, sluice-dlp.c). Should that one die as well, the program
 * itself cannot help: it may start nothing (base/sandbox.h). Then all of it is replaced. */
#ifndef SLUICE_SERVE_HELPERS_H
#define SLUICE_SERVE_HELPERS_H

#include "serve/app.h"

/* The descriptor by which `sluice serve` and `sluice hold` learn that a program wants to be replaced, its
 * number in the environment: who wants it writes its process id (an int32_t) there. */
#define HELPERS_WISH "SLUICE_WISH_FD"

/* Looks whether they are gone. If so: asks whoever started this program to replace it; where nobody does
 * that, ends it as soon as it sends nothing, as web servers start theirs again. Call it about once a second.
 */
void helpers_look(struct app *app);

#endif
