/* Asking yt-dlp; see ytdlp.h. What it answers is read in ytdlp_read.c. */
#include "site/engines/ytdlp.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "net/egress.h"

enum { SPARE_MS = 2000, SETTINGS_MAX = 8, COOKIES_MAX_BYTES = 32 * 1024 };

struct ytdlp {
    int fd; /* to the keeper: a descriptor for each question */
    pid_t pid;
    int timeout_s;
    atomic_llong missing_until_us;
};

/* ---- The keeper ---- */

/* Its settings, one of which may hold a password: not in the arguments, which everybody can read. */
static int start(struct ytdlp *y, const char *keeper, const struct ytdlp_opts *o, int end)
{
    char *settings[SETTINGS_MAX + 1] = {NULL};
    char *argv[] = {(char *)(uintptr_t)keeper, NULL};
    posix_spawn_file_actions_t actions;
    int rc = ENOMEM;
    if (asprintf(&settings[0], "PROXY=%s", o->proxy_url) > 0 &&
        asprintf(&settings[1], "CA=%s", o->ca_file) > 0 && asprintf(&settings[2], "PORTS=%s", o->ports) > 0 &&
        asprintf(&settings[3], "CONNECT_MS=%d", o->connect_ms) > 0 &&
        asprintf(&settings[4], "PYTHON=%s", o->python) > 0 &&
        asprintf(&settings[5], "YTDLP_PATH=%s", o->path) > 0 &&
        asprintf(&settings[6], "TIMEOUT_S=%d", o->timeout_s) > 0 &&
        asprintf(&settings[7], "IPV6_SUBNET=%s", o->ipv6_subnet) > 0 &&
        posix_spawn_file_actions_init(&actions) == 0) {
        rc = posix_spawn_file_actions_adddup2(&actions, end, 0);
        rc = rc ? rc : posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        rc = rc ? rc : posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        rc = rc ? rc : posix_spawn_file_actions_addclosefrom_np(&actions, 3);
        rc = rc ? rc : posix_spawn(&y->pid, keeper, &actions, NULL, argv, settings);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    for (size_t i = 0; i < SETTINGS_MAX; i++)
        free(settings[i]);
    return rc;
}

int ytdlp_open(struct ytdlp **out, const struct ytdlp_opts *opts, struct err *err)
{
    char keeper[PATH_MAX];
    int pair[2];
    if (snprintf(keeper, sizeof keeper, "%s/sluice-dlp", opts->directory) >= (int)sizeof keeper ||
        access(keeper, X_OK) < 0)
        return err_set(err, ERR_INTERNAL, "no sluice-dlp in %s", opts->directory);
    struct ytdlp *y = calloc(1, sizeof *y);
    if (!y || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        free(y);
        return err_set(err, ERR_INTERNAL, "a socket for sluice-dlp: %s", strerror(errno));
    }
    y->fd = pair[0];
    y->timeout_s = opts->timeout_s;
    int rc = start(y, keeper, opts, pair[1]);
    (void)close(pair[1]);
    if (rc != 0) {
        (void)close(pair[0]);
        free(y);
        return err_set(err, ERR_INTERNAL, "%s: %s", keeper, strerror(rc));
    }
    *out = y;
    return 0;
}

void ytdlp_close(struct ytdlp *y)
{
    if (!y)
        return;
    (void)close(y->fd); /* the keeper ends by that */
    while (waitpid(y->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(y);
}

bool ytdlp_is_gone(const struct ytdlp *y)
{
    struct pollfd p = {.fd = y ? y->fd : -1};
    return poll(&p, 1, 0) == 1; /* nothing but its end was asked for */
}

/* ---- One question ---- */

/* Hands the keeper one end of a pair; the other end is ours. -1: it is gone. */
static int open_question(const struct ytdlp *y)
{
    int pair[2];
    char control[CMSG_SPACE(sizeof pair[1])] = {0};
    struct iovec iov = {(void *)(uintptr_t) "q", 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof pair[1]);
    memcpy(CMSG_DATA(c), &pair[1], sizeof pair[1]);
    ssize_t n = sendmsg(y->fd, &m, MSG_NOSIGNAL);
    (void)close(pair[1]);
    if (n == 1 && fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0)
        return pair[0];
    (void)close(pair[0]);
    return -1;
}

/* Moves all of it, in the time that is left. -1: the other side is gone, or too slow. */
static int move(int fd, short way, void *data, size_t len, int64_t until_us)
{
    for (char *at = data; len > 0;) {
        int64_t left_ms = (until_us - clock_mono_us()) / 1000;
        struct pollfd p = {.fd = fd, .events = way};
        if (left_ms <= 0 || (poll(&p, 1, (int)left_ms) < 0 && errno != EINTR))
            return -1;
        ssize_t n = way == POLLIN ? recv(fd, at, len, 0) : send(fd, at, len, MSG_NOSIGNAL);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return -1;
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static int exchange(int fd, const char *egress, char *question, struct buf *answer, int64_t until_us)
{
    char way[EGRESS_MAX] = "";
    size_t len = strlen(question);
    (void)text_copy(way, sizeof way, egress);
    unsigned char head[4] = {(unsigned char)(len >> 24), (unsigned char)(len >> 16),
                             (unsigned char)(len >> 8), (unsigned char)len};
    if (move(fd, POLLOUT, way, sizeof way, until_us) < 0 ||
        move(fd, POLLOUT, head, sizeof head, until_us) < 0 ||
        move(fd, POLLOUT, question, len, until_us) < 0 || move(fd, POLLIN, head, sizeof head, until_us) < 0)
        return -1;
    size_t came = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    char *room = came <= YTDLP_ANSWER_MAX ? buf_reserve(answer, came + 1) : NULL;
    if (!room || move(fd, POLLIN, room, came, until_us) < 0)
        return -1;
    room[came] = '\0';
    answer->len += came;
    return 0;
}

/* The keeper keeps the time; ours is only for a keeper that does not. It is started anew when it dies, and so
 * is a child: then the question is asked once more. */
static int ask(const struct ytdlp *y, const char *egress, char *question, struct buf *answer, struct err *err)
{
    int64_t until_us = clock_mono_us() + (int64_t)y->timeout_s * 1000000 + SPARE_MS * INT64_C(1000);
    for (int attempt = 0; attempt < 2; attempt++) {
        int fd = open_question(y);
        int rc = fd < 0 ? -1 : exchange(fd, egress, question, answer, until_us);
        if (fd >= 0)
            (void)close(fd);
        if (rc == 0)
            return 0;
        buf_clear(answer);
        log_event(LOG_WARN, "yt-dlp", "why", "the helper did not answer", NULL);
    }
    if (!ytdlp_is_gone(y))
        return err_set(err, ERR_UPSTREAM_FAILED, "yt-dlp: the helper did not answer");
    (void)err_set(err, ERR_BUSY, "yt-dlp: the helper is gone, and comes back");
    if (err)
        err->retry_after_s = SITE_HELPER_BACK_S;
    return -1;
}

/* ---- The engine ---- */

bool ytdlp_takes(const struct site_env *env, const struct link *link)
{
    struct ytdlp *y = env->engines->ytdlp;
    (void)link;
    return y && clock_mono_us() >= atomic_load(&y->missing_until_us);
}

int ytdlp_describe(const struct site_env *env, const struct link *link, const struct err *before,
                   struct description **out, struct err *err)
{
    struct ytdlp *y = env->engines->ytdlp;
    auto_(buf) struct buf answer = BUF_INIT(YTDLP_ANSWER_MAX + 1);
    /* A page that could be read, and is no media file, is looked into; of one that could not, only an
     * extractor that knows the site can make something. */
    auto_(buf) struct buf cookies = BUF_INIT(COOKIES_MAX_BYTES);
    bool has_cookies = env->cookies && env->cookies(env->cookies_ctx, link->url, &cookies) == 0;
    bool generic = before->code == ERR_OK || before->code == ERR_UNSUPPORTED_SITE;
    json_t *root = json_pack("{s:s, s:b, s:s?}", "url", link->url, "generic", generic, "cookies",
                             has_cookies ? buf_str(&cookies) : NULL);
    char *question = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    int rc = question ? ask(y, env->egress ? env->egress : "", question, &answer, err)
                      : err_set(err, ERR_INTERNAL, "out of memory");
    free(question);
    if (rc < 0)
        return -1;
    if (text_starts_with(buf_str(&answer), "{\"code\": \"missing\"")) {
        atomic_store(&y->missing_until_us, clock_mono_us() + YTDLP_MISSING_S * INT64_C(1000000));
        return err_set(err, ERR_UNSUPPORTED_SITE, "yt-dlp is not installed");
    }
    return ytdlp_read(env, link, buf_str(&answer), answer.len, out, err);
}
