/* A bare CONNECT proxy to one local port, whatever name is asked for: the benchmarks' way from the product's
 * PROXY_URL to a local origin. Bytes are moved by splice(2), so that it costs and delays next to nothing.
 * Usage: tunnel TARGET-PORT; prints its own port, runs until killed. Loopback only. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in target = {.sin_family = AF_INET};

struct way {
    int from, to;
};

static void *move_bytes(void *ctx)
{
    struct way w = *(struct way *)ctx;
    int pipes[2];
    free(ctx);
    if (pipe(pipes) == 0) {
        (void)fcntl(pipes[1], F_SETPIPE_SZ, 1 << 20);
        for (ssize_t n; (n = splice(w.from, NULL, pipes[1], NULL, 1 << 20, SPLICE_F_MOVE)) > 0;) {
            while (n > 0) {
                ssize_t m = splice(pipes[0], NULL, w.to, NULL, (size_t)n, SPLICE_F_MOVE);
                if (m <= 0)
                    break;
                n -= m;
            }
            if (n > 0)
                break;
        }
        (void)close(pipes[0]);
        (void)close(pipes[1]);
    }
    (void)shutdown(w.from, SHUT_RD);
    (void)shutdown(w.to, SHUT_WR);
    return NULL;
}

static void run_way(int from, int to, pthread_t *thread)
{
    struct way *w = malloc(sizeof *w);
    if (!w)
        exit(1);
    *w = (struct way){from, to};
    if (pthread_create(thread, NULL, move_bytes, w) != 0)
        exit(1);
}

static void *serve(void *ctx)
{
    static const char yes[] = "HTTP/1.1 200 OK\r\n\r\n";
    int client = (int)(intptr_t)ctx;
    int upstream = socket(AF_INET, SOCK_STREAM, 0);
    char head[4096];
    size_t len = 0;
    pthread_t there, back;
    while (len < sizeof head - 1) {
        ssize_t n = read(client, head + len, sizeof head - 1 - len);
        if (n <= 0)
            break;
        head[len += (size_t)n] = '\0';
        if (strstr(head, "\r\n\r\n"))
            break;
    }
    if (connect(upstream, (struct sockaddr *)&target, sizeof target) == 0 &&
        write(client, yes, sizeof yes - 1) == (ssize_t)(sizeof yes - 1)) {
        run_way(client, upstream, &there);
        run_way(upstream, client, &back);
        (void)pthread_join(there, NULL);
        (void)pthread_join(back, NULL);
    }
    (void)close(client);
    (void)close(upstream);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc != 2 || bind(listener, (struct sockaddr *)&own, sizeof own) < 0 || listen(listener, 512) < 0 ||
        getsockname(listener, (struct sockaddr *)&own, &size) < 0)
        return 1;
    target.sin_addr = own.sin_addr;
    target.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    printf("%d\n", ntohs(own.sin_port));
    (void)fflush(stdout);
    for (int client; (client = accept(listener, NULL, NULL)) >= 0;) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)client) != 0)
            return 1;
        (void)pthread_detach(thread);
    }
    return 1;
}
