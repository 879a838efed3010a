/* Counters of all processes of this host: a file of numbers, data_dir/tally, that each of them maps and adds
 * to. So a sum needs no asking around, nothing is lost when a process is killed, and what is counted goes on
 * after a restart. Beside them, what each living process says of itself.
 *
 * What the numbers mean is the callers' own; `layout` stands for it: a program that means something else by
 * them begins with a new file, and those that run keep the old one. Where no memory can be shared (or a disk
 * was full from the start), each process counts for itself.
 *
 * Threads: all functions are safe from any. Processes: open after fork(). One host only. */
#ifndef SLUICE_GATE_TALLY_H
#define SLUICE_GATE_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"
#include "base/err.h"

enum { TALLY_PROCESSES = 256 }; /* at once; more are not in the sums */

struct tally;

int tally_open(struct tally **out, const char *data_dir, uint64_t layout, size_t counters, struct err *err);
void tally_close(struct tally *t); /* NULL is fine */
DEFINE_AUTO_PTR(tally, tally_close)

void tally_add(struct tally *t, size_t counter, uint64_t n);
uint64_t tally_get(const struct tally *t, size_t counter);

/* What a process says of itself; others see it for as long as it lives. */
struct tally_process {
    uint64_t rss_bytes, vms_bytes;
    char program[16]; /* "stream.fcgi"; longer names are cut */
    int64_t pid, started_unix_s;
    uint64_t cpu_us; /* since then, of all its threads */
    uint64_t threads, files;
    uint64_t files_max; /* that it may open */
};
void tally_report(struct tally *t, const struct tally_process *mine);
/* The sum of the memory of all that live and have reported; how many these are. */
size_t tally_processes(struct tally *t, struct tally_process *sum);
/* Those themselves, at most `room`; how many. */
size_t tally_list(struct tally *t, struct tally_process *out, size_t room);

#endif
