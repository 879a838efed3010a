/* One line per event on standard error, `key=value` pairs, for operators and their tools.
 *
 * Every value is hostile: control characters, quotes and bytes that are not UTF-8 are escaped, long values
 * cut. Never pass a URL with its query, an address of a user, a key or a token. Threads: any; a line is one
 * write(). Nothing is allocated. */
#ifndef SLUICE_BASE_LOG_H
#define SLUICE_BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* `program` is borrowed for the life of the process. Call once, before threads. */
void log_init(const char *program, enum log_level least);

const char *log_program(void);
/* The least level from now on: "debug", "info", "warn" or "error". Any thread. */
void log_set_level(const char *name);

/* log_event(LOG_WARN, "fetch", "host", host, "error", err.text, NULL): an event name, then pairs, then NULL.
 */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));

#endif
