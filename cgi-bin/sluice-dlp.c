/* sluice-dlp: starts, limits and ends the children that are yt-dlp, and is their fetch gate.
 *
 * Like sluice-keep it is started before its program gives up starting processes. On descriptor 0 come sockets
 * (SCM_RIGHTS), one for each question; on such a socket a question and its answer, each 4 bytes of length and
 * JSON, passed through unread. Before the question: the way out that it takes (net/egress.h), EGRESS_MAX
 * bytes. The child's end of the program ends it too.
 *
 * Three kinds of process, one file: the first watches over the second and starts it anew when it dies; the
 * second serves, with a thread for each question and each connection; `child` is what becomes Python, in a
 * sandbox of its own: no files but to read its libraries, no programs, no sockets (base/sandbox.h), limits on
 * memory and processor time. It asks for connections on descriptor 3 (dlp_relay.h).
 *
 * Settings come by the environment, see site/engines/ytdlp.c. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/embed.h"
#include "base/io.h"
#include "base/sandbox.h"
#include "base/text.h"
#include "dlp_relay.h"
#include "site/engines/ytdlp.h"

enum {
    QUESTION_MAX = 64 << 10,
    QUESTIONS_MAX = 64,       /* at once, most of them waiting for a child */
    MEMORY_MAX = 1 << 30,     /* of addresses */
    RESIDENT_MAX = 400 << 20, /* after a question: then a fresh child is cheaper than a fat one */
    CPU_MAX_S = 600,          /* of one child, in its life */
    ANSWERS_MAX = 500,        /* of one child, in its life */
    GATE_FD = 3,
    IDLE_MS = 5 * 60 * 1000, /* then the memory is worth more than the 0.5 s it takes to start one */
};

/* A child and its place. */
struct child {
    pid_t pid; /* 0: none */
    int fd;    /* questions and answers */
    int gate;  /* where it asks for connections */
    unsigned answers;
    bool busy;
    struct relays relays;
};

static struct child children[YTDLP_CHILDREN_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t child_is_free;
static unsigned questions;
static int timeout_s;

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static uint64_t number(const char *name, uint64_t least, uint64_t most, uint64_t usual)
{
    uint64_t n;
    return text_parse_u64(setting(name), least, most, &n) == 0 ? n : usual;
}

/* ---- The child ---- */

static int limit(int what, rlim_t most)
{
    const struct rlimit l = {most, most};
    return setrlimit(what, &l);
}

/* Becomes Python. */
static int become(void)
{
    const char *python = setting("PYTHON");
    const char *script = NULL;
    char path[4096 + 16];
    char ca[4096 + 32];
    struct sandbox got;
    for (const struct embed_file *f = embed_files; f->name; f++) {
        if (strcmp(f->name, "ytdlp.py") == 0)
            script = f->text;
    }
    (void)snprintf(path, sizeof path, "YTDLP_PATH=%s", setting("YTDLP_PATH"));
    (void)snprintf(ca, sizeof ca, "SSL_CERT_FILE=%s",
                   *setting("CA") ? setting("CA") : "/etc/ssl/certs/ca-certificates.crt");
    char *argv[] = {(char *)(uintptr_t)python, (char *)"-I", (char *)"-c", (char *)(uintptr_t)script, NULL};
    char *env[] = {path, ca, (char *)"LANG=C.UTF-8", (char *)"PATH=/nowhere", (char *)"HOME=/nowhere", NULL};
    const struct sandbox_path paths[] = {
        {python, SANDBOX_RUN},
        {"/lib64/ld-linux-x86-64.so.2", SANDBOX_RUN},
        {"/lib/ld-linux-aarch64.so.1", SANDBOX_RUN},
        {"/lib/ld-linux-riscv64-lp64d.so.1", SANDBOX_RUN},
        {setting("YTDLP_PATH"), SANDBOX_READ},
        {setting("CA"), SANDBOX_READ},
        {"/usr/share/zoneinfo", SANDBOX_READ},
        {"/etc/localtime", SANDBOX_READ},
        {"/etc/mime.types", SANDBOX_READ},
    };
    const struct sandbox_opts opts = {.paths = paths, .path_count = ARRAY_LEN(paths), .program = true};
    sandbox_enter(&got, &opts);
    if (!(got.layers & SANDBOX_SECCOMP))
        return 1; /* without it, it could reach everything */
    if (!script || limit(RLIMIT_CORE, 0) < 0 || limit(RLIMIT_FSIZE, 0) < 0 || limit(RLIMIT_NOFILE, 64) < 0 ||
        limit(RLIMIT_CPU, CPU_MAX_S) < 0 || limit(RLIMIT_AS, MEMORY_MAX) < 0)
        return 1;
    (void)execve(python, argv, env);
    return 127;
}

static void child_end(struct child *c)
{
    if (c->pid <= 0)
        return;
    (void)kill(c->pid, SIGKILL);
    (void)close(c->fd);
    (void)close(c->gate);
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    c->pid = 0;
    relay_next_round(&c->relays);
}

static int child_spawn(struct child *c, int end, int gate)
{
    char *argv[] = {(char *)"sluice-dlp", (char *)"child", NULL};
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return -1;
    /* Above all that is given a place below, so that neither overwrites the other. */
    int high_end = fcntl(end, F_DUPFD_CLOEXEC, 100);
    int high_gate = fcntl(gate, F_DUPFD_CLOEXEC, 100);
    int rc = high_end < 0 || high_gate < 0 ? -1 : posix_spawn_file_actions_adddup2(&actions, high_end, 0);
    rc = rc ? rc : posix_spawn_file_actions_adddup2(&actions, high_gate, GATE_FD);
    rc = rc ? rc : posix_spawn_file_actions_addclosefrom_np(&actions, GATE_FD + 1);
    rc = rc ? rc : posix_spawn(&c->pid, "/proc/self/exe", &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (high_end >= 0)
        (void)close(high_end);
    if (high_gate >= 0)
        (void)close(high_gate);
    return rc ? -1 : 0;
}

static int child_start(struct child *c)
{
    int pair[2];
    int gate[2];
    if (c->pid > 0)
        return 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, gate) < 0) {
        (void)close(pair[0]);
        (void)close(pair[1]);
        return -1;
    }
    int rc = fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0 ? -1 : child_spawn(c, pair[1], gate[1]);
    (void)close(pair[1]);
    (void)close(gate[1]);
    if (rc < 0) {
        c->pid = 0;
        (void)close(pair[0]);
        (void)close(gate[0]);
        return -1;
    }
    c->fd = pair[0];
    c->gate = gate[0];
    c->answers = 0;
    return 0;
}

static size_t resident_bytes(const struct child *c)
{
    char path[64];
    auto_(buf) struct buf text = BUF_INIT(256);
    struct err ignored;
    uint64_t pages = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)c->pid);
    if (io_read_file(path, &text, &ignored) < 0)
        return 0;
    const char *second = strchr(buf_str(&text), ' ');
    if (!second || text_parse_u64n(second + 1, strspn(second + 1, "0123456789"), 0, UINT32_MAX, &pages) < 0)
        return 0;
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- A question ---- */

struct question {
    int fd; /* the program's */
    int64_t until_us;
    char egress[EGRESS_MAX];
    char *text; /* with its head */
    size_t len;
};

static void question_end(struct question *q)
{
    (void)close(q->fd);
    free(q->text);
    free(q);
    (void)pthread_mutex_lock(&lock);
    questions--;
    (void)pthread_mutex_unlock(&lock);
}

static int left_ms(int64_t until_us)
{
    int64_t left = (until_us - clock_mono_us()) / 1000;
    return left > 0 ? (int)left : 0;
}

/* All of it, or -1. */
static int receive(int fd, void *to, size_t len, int64_t until_us)
{
    for (char *at = to; len > 0;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left_ms(until_us) == 0 || (poll(&p, 1, left_ms(until_us)) < 0 && errno != EINTR))
            return -1;
        ssize_t n = recv(fd, at, len, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return -1;
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static int send_all(int fd, const char *from, size_t len, int64_t until_us)
{
    while (len > 0) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (left_ms(until_us) == 0 || (poll(&p, 1, left_ms(until_us)) < 0 && errno != EINTR))
            return -1;
        ssize_t n = send(fd, from, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -1;
        if (n > 0) {
            from += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static size_t length_of(const unsigned char head[4])
{
    return (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
}

static int question_read(struct question *q)
{
    unsigned char head[4];
    if (receive(q->fd, q->egress, sizeof q->egress, q->until_us) < 0 ||
        receive(q->fd, head, sizeof head, q->until_us) < 0 || length_of(head) > QUESTION_MAX)
        return -1;
    q->egress[sizeof q->egress - 1] = '\0';
    q->len = sizeof head + length_of(head);
    q->text = malloc(q->len);
    if (!q->text)
        return -1;
    memcpy(q->text, head, sizeof head);
    return receive(q->fd, q->text + sizeof head, q->len - sizeof head, q->until_us);
}

/* A child that nobody asks; NULL: none became free in time. */
static struct child *child_take(int64_t until_us)
{
    const struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
    struct child *found = NULL;
    (void)pthread_mutex_lock(&lock);
    for (int rc = 0; !found && rc == 0;) {
        for (size_t i = 0; i < ARRAY_LEN(children); i++) {
            struct child *c = &children[i];
            if (!c->busy && (!found || (c->pid && !found->pid)))
                found = c;
        }
        if (!found)
            rc = pthread_cond_timedwait(&child_is_free, &lock, &until);
    }
    if (found)
        found->busy = true;
    (void)pthread_mutex_unlock(&lock);
    return found;
}

static void child_give_back(struct child *c)
{
    (void)pthread_mutex_lock(&lock);
    c->busy = false;
    (void)pthread_cond_signal(&child_is_free);
    (void)pthread_mutex_unlock(&lock);
}

/* Waits for the answer's head, making connections meanwhile. -1: the child, the program or the time is gone.
 */
static int await_answer(struct child *c, const struct question *q)
{
    for (;;) {
        struct pollfd p[] = {{.fd = c->fd, .events = POLLIN},
                             {.fd = c->gate, .events = POLLIN},
                             {.fd = q->fd, .events = POLLRDHUP}};
        if (left_ms(q->until_us) == 0 || (poll(p, ARRAY_LEN(p), left_ms(q->until_us)) < 0 && errno != EINTR))
            return -1;
        if (p[2].revents)
            return -1;
        if (p[1].revents && relay_serve(&c->relays, c->gate) < 0)
            return -1;
        if (p[0].revents)
            return 0;
    }
}

/* The answer, with its head; NULL: there is none. */
static char *child_ask(struct child *c, const struct question *q, size_t *len)
{
    unsigned char head[4];
    if (send_all(c->fd, q->text, q->len, q->until_us) < 0 || await_answer(c, q) < 0 ||
        receive(c->fd, head, sizeof head, q->until_us) < 0 || length_of(head) > YTDLP_ANSWER_MAX)
        return NULL;
    *len = sizeof head + length_of(head);
    char *answer = malloc(*len);
    if (!answer)
        return NULL;
    memcpy(answer, head, sizeof head);
    if (receive(c->fd, answer + sizeof head, *len - sizeof head, q->until_us) == 0)
        return answer;
    free(answer);
    return NULL;
}

/* A child that died is no fault of the question: it is asked of another one, once. */
static char *ask(struct child *c, const struct question *q, size_t *len)
{
    char *answer = NULL;
    for (int attempt = 0; attempt < 2 && !answer && left_ms(q->until_us) > 0; attempt++) {
        struct pollfd program = {.fd = q->fd, .events = POLLRDHUP};
        if (child_start(c) < 0 || poll(&program, 1, 0) != 0)
            return NULL;
        relay_next_round(&c->relays);
        memcpy(c->relays.egress, q->egress, sizeof q->egress);
        answer = child_ask(c, q, len);
        relay_next_round(&c->relays);
        if (!answer || ++c->answers >= ANSWERS_MAX || resident_bytes(c) > RESIDENT_MAX)
            child_end(c);
    }
    return answer;
}

static void say_too_late(const struct question *q)
{
    static const char text[] = "{\"code\":\"upstream_failed\",\"text\":\"took too long, or died\"}";
    const unsigned char head[4] = {0, 0, 0, sizeof text - 1};
    int64_t until_us = clock_mono_us() + 1000000;
    if (send_all(q->fd, (const char *)head, sizeof head, until_us) == 0)
        (void)send_all(q->fd, text, sizeof text - 1, until_us);
}

static void *question_thread(void *ctx)
{
    struct question *q = ctx;
    char *answer = NULL;
    size_t len = 0;
    struct child *c = question_read(q) < 0 ? NULL : child_take(q->until_us);
    if (c) {
        answer = ask(c, q, &len);
        child_give_back(c);
    }
    if (answer)
        (void)send_all(q->fd, answer, len, clock_mono_us() + 1000000);
    else
        say_too_late(q);
    free(answer);
    question_end(q);
    return NULL;
}

/* ---- Serving ---- */

/* The socket that came along, or -1; *over: nobody is there any more. */
static int take_socket(bool *over)
{
    char byte;
    int fd = -1;
    char control[CMSG_SPACE(sizeof fd)];
    struct iovec iov = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(0, &m, MSG_CMSG_CLOEXEC);
    *over = n == 0 || (n < 0 && errno != EINTR);
    if (n <= 0)
        return -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof fd))
            memcpy(&fd, CMSG_DATA(c), sizeof fd);
    }
    return fd;
}

static void begin_question(int fd)
{
    pthread_t thread;
    struct question *q = calloc(1, sizeof *q);
    (void)pthread_mutex_lock(&lock);
    bool room = q && questions < QUESTIONS_MAX;
    questions += room;
    (void)pthread_mutex_unlock(&lock);
    if (!room) {
        (void)close(fd);
        free(q);
        return;
    }
    q->fd = fd;
    q->until_us = clock_mono_us() + (int64_t)timeout_s * 1000000;
    if (pthread_create(&thread, NULL, question_thread, q) == 0)
        (void)pthread_detach(thread);
    else
        question_end(q);
}

static void end_idle(void)
{
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < ARRAY_LEN(children); i++) {
        if (!children[i].busy)
            child_end(&children[i]);
    }
    (void)pthread_mutex_unlock(&lock);
}

static int serve(void)
{
    struct err err;
    struct net *net = NULL;
    pthread_condattr_t monotonic;
    const struct net_opts opts = {
        .proxy_url = setting("PROXY"),
        .ipv6_subnet = setting("IPV6_SUBNET"),
        .ca_file = setting("CA"),
        .ports = setting("PORTS"),
        .connect_ms = (int)number("CONNECT_MS", 1, 600000, 10000),
        .timeout_ms = timeout_s * 1000,
        .stall_s = timeout_s,
    };
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    if (pthread_cond_init(&child_is_free, &monotonic) != 0 || net_open(&net, &opts, &err) < 0)
        return 1;
    for (size_t i = 0; i < ARRAY_LEN(children); i++)
        children[i].relays.net = net;
    for (bool over = false; !over;) {
        struct pollfd p = {.fd = 0, .events = POLLIN};
        if (poll(&p, 1, IDLE_MS) == 0) {
            end_idle();
            continue;
        }
        int fd = take_socket(&over);
        if (fd >= 0)
            begin_question(fd);
    }
    _exit(0); /* threads may be running; children see the end of their descriptors */
}

/* Serves in a process of its own, which is started anew when it dies; nothing is started before there is a
 * question. */
static int watch(void)
{
    for (;;) {
        int status = 0;
        struct pollfd p = {.fd = 0, .events = POLLIN};
        if (poll(&p, 1, -1) < 0 && errno != EINTR)
            return 1;
        pid_t pid = fork();
        if (pid == 0)
            return serve();
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        if (pid < 0 || WIFEXITED(status))
            return pid < 0 ? 1 : WEXITSTATUS(status);
        /* not faster than this, whatever it dies of */
        (void)nanosleep(&(struct timespec){0, 50 * 1000 * 1000}, NULL);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "child") == 0)
        return become();
    timeout_s = (int)number("TIMEOUT_S", 1, 3600, 40);
    (void)signal(SIGPIPE, SIG_IGN);
    return watch();
}
