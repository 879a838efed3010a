/* What has to be done now and then in a program that stays, whether somebody asks or not. */
#ifndef SLUICE_SERVE_CHORES_H
#define SLUICE_SERVE_CHORES_H

#include "serve/app.h"

/* Starts the thread that does it. After app_confine(). */
int chores_start(struct app *app, struct err *err);
/* Waits for its end. Does nothing where none was started. */
void chores_stop(struct app *app);
/* Has the next round begin now. From any thread; does nothing where none was started. */
void chores_hurry(struct app *app);

#endif
