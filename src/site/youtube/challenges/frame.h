/* What travels between a program that extracts, the keeper (cgi-bin/sluice-keep.c) and the child that runs
 * player scripts (cgi-bin/sluice-js.c): a head, then `len` bytes. All on one machine, of one build: host
 * order.
 */
#ifndef SLUICE_SITE_YOUTUBE_CHALLENGES_FRAME_H
#define SLUICE_SITE_YOUTUBE_CHALLENGES_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_MAX_BYTES = 24 << 20, /* players have 2.7 MB, prepared ones little more */
};

enum frame_op {
    /* questions */
    FRAME_PREPARE = 1, /* a player script: FRAME_TEXT, prepared (see solver.js); by a process of its own */
    FRAME_LOAD,  /* id, NUL, a prepared player without its first line: FRAME_DONE; replaces the last one */
    FRAME_SOLVE, /* id, NUL, JSON [[sig|null, n|null], …]: FRAME_TEXT with JSON of that shape */
    /* answers */
    FRAME_TEXT,
    FRAME_DONE,
    FRAME_MISSING, /* another player is loaded, or none */
    FRAME_THREW,   /* the script's fault; what it said */
    FRAME_DIED,    /* of the keeper: the child ended by itself */
    FRAME_KILLED,  /* of the keeper: for taking too long or too much */
    FRAME_STARVED, /* of the keeper: for taking too long, in which it hardly got to run: the machine is busy
                    */
};

struct frame {
    uint32_t op;
    uint32_t len;
    uint32_t limit_ms; /* of questions: by the clock */
};

/* All of it; false: the other side is gone. Whoever writes ignores SIGPIPE, or may end by it. */
bool frame_read(int fd, void *to, size_t len);
bool frame_write(int fd, const void *from, size_t len);

#endif
