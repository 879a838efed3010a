/* See js.h. */
#include "site/youtube/challenges/js.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct js {
    pthread_mutex_t lock; /* one question at a time */
    int guard;            /* where keepers are asked for */
    int fd;               /* the keeper; -1: none */
    pid_t pid;            /* of the guard */
};

/* Nothing of ours goes along but the one descriptor: a CGI's output, say, would stay open as long as the
 * keeper lives. */
static int start(struct js *js, const char *keeper, const char *child, int end)
{
    char *argv[] = {(char *)keeper, (char *)"--guard", (char *)child, NULL};
    char *none[] = {NULL};
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return ENOMEM;
    int rc = posix_spawn_file_actions_adddup2(&actions, end, 0);
    rc = rc ? rc : posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    rc = rc ? rc : posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    rc = rc ? rc : posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    rc = rc ? rc : posix_spawn(&js->pid, keeper, &actions, NULL, argv, none);
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc;
}

int js_open(struct js **out, const char *directory, struct err *err)
{
    char keeper[PATH_MAX];
    char child[PATH_MAX];
    int pair[2];
    if (snprintf(keeper, sizeof keeper, "%s/sluice-keep", directory) >= (int)sizeof keeper ||
        snprintf(child, sizeof child, "%s/sluice-js", directory) >= (int)sizeof child ||
        access(keeper, X_OK) < 0 || access(child, X_OK) < 0)
        return err_set(err, ERR_INTERNAL, "no sluice-keep and sluice-js in %s", directory);
    struct js *js = malloc(sizeof *js);
    if (!js || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        free(js);
        return err_set(err, ERR_INTERNAL, "a socket for sluice-keep: %s", strerror(errno));
    }
    *js = (struct js){.lock = PTHREAD_MUTEX_INITIALIZER, .guard = pair[0], .fd = -1};
    int rc = start(js, keeper, child, pair[1]);
    (void)close(pair[1]);
    if (rc != 0) {
        (void)close(pair[0]);
        free(js);
        return err_set(err, ERR_INTERNAL, "%s: %s", keeper, strerror(rc));
    }
    *out = js;
    return 0;
}

void js_close(struct js *js)
{
    if (!js)
        return;
    if (js->fd >= 0)
        (void)close(js->fd);
    (void)close(js->guard); /* the guard ends by that, and its keeper */
    while (waitpid(js->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    (void)pthread_mutex_destroy(&js->lock);
    free(js);
}

bool js_is_gone(const struct js *js)
{
    struct pollfd p = {.fd = js ? js->guard : -1};
    return poll(&p, 1, 0) == 1; /* nothing but its end was asked for */
}

/* No time limit of its own: the keeper has one, and its end shows. */
static int exchange(struct js *js, const struct frame *head, const char *id, const char *text, size_t len,
                    struct buf *answer)
{
    struct frame got;
    size_t id_len = head->len - len;
    if (!frame_write(js->fd, head, sizeof *head) || !frame_write(js->fd, id, id_len) ||
        !frame_write(js->fd, text, len) || !frame_read(js->fd, &got, sizeof got) || got.len > FRAME_MAX_BYTES)
        return -1;
    char *room = buf_reserve(answer, got.len + 1UL);
    if (!room || !frame_read(js->fd, room, got.len))
        return -1;
    room[got.len] = '\0';
    answer->len += got.len;
    return (int)got.op;
}

/* The descriptor that the guard sends with a byte; -1: it does not. */
static int receive_descriptor(int guard)
{
    char byte;
    int fd = -1;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n;
    while ((n = recvmsg(guard, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    const struct cmsghdr *head = n == 1 ? CMSG_FIRSTHDR(&message) : NULL;
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

static bool has_keeper(struct js *js)
{
    char byte = 0;
    if (js->fd < 0 && frame_write(js->guard, &byte, 1))
        js->fd = receive_descriptor(js->guard);
    return js->fd >= 0;
}

int js_ask(struct js *js, enum frame_op op, const char *id, const char *text, size_t len, struct buf *answer)
{
    size_t id_len = op == FRAME_PREPARE ? 0 : strlen(id) + 1;
    if (!js || len > FRAME_MAX_BYTES - id_len)
        return -1;
    const struct frame head = {
        .op = op,
        .len = (uint32_t)(id_len + len),
        .limit_ms = op == FRAME_PREPARE ? JS_PREPARE_MS : JS_RUN_MS,
    };
    (void)pthread_mutex_lock(&js->lock);
    int rc = -1;
    size_t before = answer->len;
    for (int tries = 0; tries < 2 && rc < 0 && has_keeper(js); tries++) {
        if (tries > 0 && answer->data)
            answer->len = before; /* the half of an answer */
        rc = exchange(js, &head, id, text, len, answer);
        if (rc < 0) { /* out of step for good */
            (void)close(js->fd);
            js->fd = -1;
        }
    }
    (void)pthread_mutex_unlock(&js->lock);
    return rc;
}
