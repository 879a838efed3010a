/* See log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_MAX_BYTES = 2048, VALUE_MAX_BYTES = 400 };

static const char *const names[] = {"debug", "info", "warn", "error"};
static const char *program_name = "sluice";
static _Atomic enum log_level least_level = LOG_INFO;

void log_init(const char *program, enum log_level least)
{
    program_name = program;
    least_level = least;
}

const char *log_program(void)
{
    return program_name;
}

void log_set_level(const char *name)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (strcmp(name, names[i]) == 0)
            least_level = (enum log_level)i;
    }
}

static size_t add_escaped(char *out, size_t room, const char *value)
{
    size_t n = 0;
    size_t len = strnlen(value, VALUE_MAX_BYTES);
    for (size_t i = 0; i < len && n + 5 < room; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            n += (size_t)snprintf(out + n, room - n, "\\x%02x", c);
        else
            out[n++] = (char)c;
    }
    return n;
}

void log_event(enum log_level level, const char *event, ...)
{
    if (level < least_level)
        return;
    char line[LINE_MAX_BYTES];
    char now[24];
    clock_format_utc(clock_unix_s(), now, sizeof now);
    size_t n = (size_t)snprintf(line, sizeof line, "%s %s %s %s", now, names[level], program_name, event);
    if (n > sizeof line - 2)
        n = sizeof line - 2;
    va_list ap;
    va_start(ap, event);
    for (const char *key = va_arg(ap, const char *); key; key = va_arg(ap, const char *)) {
        const char *value = va_arg(ap, const char *);
        if (n + strlen(key) + 16 > sizeof line)
            break;
        n += (size_t)snprintf(line + n, sizeof line - n, " %s=\"", key);
        n += add_escaped(line + n, sizeof line - n - 2, value ? value : "");
        line[n++] = '"';
    }
    va_end(ap);
    line[n++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, n); /* nowhere to report a failing log to */
    (void)ignored;
}
