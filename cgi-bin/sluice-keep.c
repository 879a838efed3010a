/* sluice-keep: starts, limits and ends the children that run player scripts (sluice-js.c).
 *
 * The programs that serve cannot start a process once they serve (base/sandbox.h), and what a script does to
 * its child must not be theirs to clean up. So each has a keeper from its beginning: small, knowing nothing
 * but frames (frame.h) on descriptor 0, where the program asks and where its end is the keeper's. A child is
 * started when it is first needed.
 *
 * A keeper that dies could not be started again by the program. So what the program starts is a guard, which
 * does nothing but make a keeper when it is asked for one. Usage: sluice-keep [--guard] PATH-OF-SLUICE-JS. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "site/youtube/challenges/frame.h"

enum {
    /* Memory in use. Parsing a player of 2.65 MB was measured at 177 MB, solving with one at 64 MB. */
    PREPARE_MAX_BYTES = 400 << 20,
    SOLVE_MAX_BYTES = 256 << 20,
    LOOK_MS = 10,             /* how often memory is looked at: 10 ms of filling it is some 20 MB */
    LIMIT_MAX_MS = 60 * 1000, /* of any question */
    IDLE_MS = 5 * 60 * 1000,  /* then the memory is worth more than the 0.2 s it takes to load a player */
};

struct child {
    pid_t pid; /* 0: none */
    int fd;
    size_t max_bytes;
};

static const char *program;

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void child_end(struct child *c)
{
    if (c->pid <= 0)
        return;
    (void)kill(c->pid, SIGKILL);
    if (c->fd >= 0)
        (void)close(c->fd);
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    c->pid = 0;
}

/* Between fork and exec. The environment is empty, the descriptors are the one. */
static void become(int fd)
{
    char *argv[] = {(char *)"sluice-js", NULL};
    char *none[] = {NULL};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (dup2(fd, 0) == 0)
        (void)execve(program, argv, none);
    _exit(127);
}

static int child_start(struct child *c)
{
    int pair[2];
    if (c->pid > 0)
        return 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        become(pair[1]);
    (void)close(pair[1]);
    if (pid < 0 || fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0) {
        (void)close(pair[0]);
        return -1;
    }
    c->pid = pid;
    c->fd = pair[0];
    return 0;
}

static size_t child_bytes(const struct child *c)
{
    char path[64];
    char text[128];
    char *after_size;
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)c->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        (void)close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    (void)strtoul(text, &after_size, 10);
    return strtoul(after_size, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* Of all its threads; 0 unknown. */
static int64_t child_cpu_ms(const struct child *c)
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(c->pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
        return 0;
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool is_over(const struct child *c, int64_t until_ms)
{
    return now_ms() > until_ms || child_bytes(c) > c->max_bytes;
}

/* Moves `len` bytes to or from the child. FRAME_DONE, or why not. */
static enum frame_op child_move(const struct child *c, short way, void *data, size_t len, int64_t until_ms)
{
    for (char *at = data; len > 0;) {
        struct pollfd p = {.fd = c->fd, .events = way};
        if (poll(&p, 1, LOOK_MS) < 0 && errno != EINTR)
            return FRAME_DIED;
        if (is_over(c, until_ms))
            return FRAME_KILLED;
        ssize_t n = way == POLLIN ? read(c->fd, at, len) : send(c->fd, at, len, MSG_NOSIGNAL);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return FRAME_DIED;
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    return FRAME_DONE;
}

/* Asks the child. On FRAME_DONE *answer is its head and *text (free()) what follows. */
static enum frame_op child_ask(const struct child *c, struct frame *question, char *asked,
                               struct frame *answer, char **text, int64_t until_ms)
{
    enum frame_op end = child_move(c, POLLOUT, question, sizeof *question, until_ms);
    if (end == FRAME_DONE)
        end = child_move(c, POLLOUT, asked, question->len, until_ms);
    if (end == FRAME_DONE)
        end = child_move(c, POLLIN, answer, sizeof *answer, until_ms);
    if (end != FRAME_DONE)
        return end;
    /* It may have been taken over: only what an answer can be is passed on. */
    *text = answer->len <= FRAME_MAX_BYTES ? malloc(answer->len + 1UL) : NULL;
    if (!*text || answer->op < FRAME_TEXT || answer->op > FRAME_THREW)
        return FRAME_DIED;
    return child_move(c, POLLIN, *text, answer->len, until_ms);
}

/* One question of the program; false: it is gone. */
static bool serve(struct child *resident)
{
    struct frame question;
    struct frame answer = {.op = FRAME_DIED};
    struct child once = {.max_bytes = PREPARE_MAX_BYTES};
    char *text = NULL;
    if (!frame_read(0, &question, sizeof question) || question.len > FRAME_MAX_BYTES)
        return false;
    char *asked = malloc(question.len + 1UL);
    bool there = asked && frame_read(0, asked, question.len);
    if (there) {
        struct child *c = question.op == FRAME_PREPARE ? &once : resident;
        int64_t limit_ms = question.limit_ms < LIMIT_MAX_MS ? question.limit_ms : LIMIT_MAX_MS;
        bool runs = child_start(c) == 0;
        int64_t cpu_ms = runs ? child_cpu_ms(c) : 0;
        int64_t until_ms = now_ms() + limit_ms;
        enum frame_op end = runs ? child_ask(c, &question, asked, &answer, &text, until_ms) : FRAME_DIED;
        if (end == FRAME_KILLED && now_ms() > until_ms && child_cpu_ms(c) - cpu_ms < limit_ms / 2)
            end = FRAME_STARVED;
        if (end != FRAME_DONE) {
            child_end(c);
            answer = (struct frame){.op = end};
        }
        there = frame_write(0, &answer, sizeof answer) && frame_write(0, text ? text : "", answer.len);
    }
    child_end(&once);
    free(asked);
    free(text);
    return there;
}

/* Answers questions on descriptor 0 until who asks is gone. */
static void keep(void)
{
    struct child resident = {.max_bytes = SOLVE_MAX_BYTES};
    struct pollfd p = {.fd = 0, .events = POLLIN};
    int n;
    while ((n = poll(&p, 1, resident.pid ? IDLE_MS : -1)) >= 0 || errno == EINTR) {
        if (n == 0)
            child_end(&resident);
        else if (n > 0 && !serve(&resident))
            break;
    }
    child_end(&resident);
}

/* ---- The guard ---- */

static bool send_descriptor(int fd)
{
    char byte = 0;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    memset(&control, 0, sizeof control);
    control.head = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    return sendmsg(0, &message, MSG_NOSIGNAL) == 1;
}

/* Makes a keeper with a socket of its own, whose other end goes to the program. */
static bool make_keeper(struct child *keeper)
{
    int pair[2];
    child_end(keeper);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    keeper->pid = fork();
    if (keeper->pid == 0) {
        if (dup2(pair[1], 0) == 0 && close(pair[0]) == 0 && close(pair[1]) == 0)
            keep();
        _exit(0);
    }
    keeper->fd = -1;
    (void)close(pair[1]); /* its end is the keeper's alone: its death shows */
    bool sent = keeper->pid > 0 && send_descriptor(pair[0]);
    (void)close(pair[0]);
    return sent;
}

/* Each byte asks for a keeper. */
static void guard(void)
{
    struct child keeper = {.pid = 0};
    char byte;
    for (;;) {
        ssize_t n = read(0, &byte, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != 1 || !make_keeper(&keeper))
            break;
    }
    child_end(&keeper);
}

int main(int argc, char **argv)
{
    bool guards = argc == 3 && strcmp(argv[1], "--guard") == 0;
    if (argc != 2 && !guards)
        return 2;
    program = argv[argc - 1];
    (void)signal(SIGPIPE, SIG_IGN);
    if (guards)
        guard();
    else
        keep();
    return 0;
}
