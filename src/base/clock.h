/* Wall time and monotonic time, kept apart by their names: `_unix_s` is wall time, `_mono_us` never jumps.
 * Wall time is for what outlives the process (expiry, logs); monotonic time is for waiting and measuring. */
#ifndef SLUICE_BASE_CLOCK_H
#define SLUICE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_unix_s(void);
int64_t clock_unix_us(void);
int64_t clock_mono_us(void);
void clock_sleep_ms(unsigned ms);
/* RFC 3339 in UTC, "2026-11-20T18:00:00Z"; out holds at least 21 bytes, else it is cut. */
void clock_format_utc(int64_t unix_s, char *out, size_t out_len);

#endif
