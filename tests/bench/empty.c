/* The least a FastCGI program can do: the peer for requests per second. */
#include <fcgiapp.h>
#include <pthread.h>
#include <signal.h>

static void *serve(void *unused)
{
    FCGX_Request r;
    (void)unused;
    (void)FCGX_InitRequest(&r, 0, 0);
    while (FCGX_Accept_r(&r) == 0) {
        (void)FCGX_PutS("Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", r.out);
        FCGX_Finish_r(&r);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[8];
    (void)FCGX_Init();
    (void)signal(SIGTERM, SIG_DFL); /* libfcgi's own handler would only set a flag */
    for (int i = 0; i < 8; i++)
        (void)pthread_create(&threads[i], NULL, serve, NULL);
    for (int i = 0; i < 8; i++)
        (void)pthread_join(threads[i], NULL);
    return 0;
}
