/* The table of processes behind the gate: a file of small records in data_dir. Internal to gate/.
 *
 * Who uses record i (1 …) holds an OFD lock on its first byte; the lock on record 0 is the mutex of the
 * table. A record is written by its owner alone, except that one without an owner is cleared by whoever holds
 * the mutex. Read with pread(), written with pwrite(): the used part is some hundred bytes long, and mapped
 * memory would not work on every file system. Nothing in the file is trusted beyond its locks; what lies in a
 * record without an owner is noise. Threads: one at a time, except for table_read() and table_is_owned(). */
#ifndef SLUICE_GATE_TABLE_H
#define SLUICE_GATE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "gate/gate.h"

enum { TABLE_ROWS = GATE_PROCESSES_MAX + 1 };

struct table_row {
    uint32_t active;
    uint32_t waiting;
    int64_t first_mono_us; /* since when the longest-waiting one waits, 0: nobody does; row 0: last sweep */
};

struct table {
    int fd;
    size_t mine; /* the row this process owns; 0: none */
};

int table_open(struct table *t, const char *data_dir, struct err *err);
/* Gives up the row, too. */
void table_close(struct table *t);

/* The mutex. Released by the kernel when its holder dies. */
int table_lock(struct table *t, struct err *err);
void table_unlock(struct table *t);

/* With the mutex: takes an empty row for this process, for good. ERR_BUSY when there is none. */
int table_claim(struct table *t, struct err *err);
/* The used part of the table: *count rows, row 0 included. */
int table_read(const struct table *t, struct table_row rows[TABLE_ROWS], size_t *count, struct err *err);
int table_write(const struct table *t, size_t row, const struct table_row *content, struct err *err);
/* Whether a living process owns the row: another one, or this one. */
bool table_is_owned(const struct table *t, size_t row);

#endif
