/* One flight at a time per key among the processes of a host. Internal to cache/. */
#ifndef SLUICE_CACHE_FLIGHT_H
#define SLUICE_CACHE_FLIGHT_H

#include <stdint.h>

#include "base/err.h"

/* A waiter looks again after 1, 2, 4 … this many milliseconds. */
enum { FLIGHT_PAUSE_MAX_MS = 20 };

/* Opens the file of locks in an open directory; closes it again: that it can be had is what is tested. */
int flight_prepare(int dir_fd, struct err *err);
/* Waits for the key's flight until then. Returns a descriptor that holds it; close() ends the flight, and so
 * does the end of the process, however it comes. ERR_BUSY when it was not had in time. */
int flight_begin(int dir_fd, const char *key, int64_t deadline_mono_us, struct err *err);

#endif
