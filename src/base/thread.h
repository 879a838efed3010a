/* What everybody who starts a thread, or waits in one, has to get right. */
#ifndef SLUICE_BASE_THREAD_H
#define SLUICE_BASE_THREAD_H

#include <pthread.h>
#include <time.h>

/* pthread_create() with all signals blocked: they are for the thread that serves. 0 or an errno. */
int thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg);
/* A condition whose pthread_cond_timedwait() takes times of thread_time_after(). 0 or an errno. */
int thread_cond_init(pthread_cond_t *cond);
/* So long from now, by the clock that never jumps. */
struct timespec thread_time_after(unsigned ms);

#endif
