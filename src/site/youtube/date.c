/* See date.h. */
#include "site/youtube/date.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "site/youtube/innertube.h"
#include "site/youtube/player.h"

enum { DAY_MAX = 16, KEY_MAX = 32, KEEP_S = 30 * 86400 };

struct date {
    const struct site_env *under;
    const struct clients *clients;
    const char *id;
    struct site_env env; /* calls through us */
    atomic_bool cancelled;
    bool has_thread;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool ended;
    struct description *found; /* with nothing but the day */
};

static int date_call(void *ctx, const struct net_call *call, struct net_answer *answer, struct err *err)
{
    const struct date *date = ctx;
    struct net_call mine = *call;
    mine.cancelled = &date->cancelled;
    return date->under->call(date->under->call_ctx, &mine, answer, err);
}

static void key_of(const struct date *date, char key[KEY_MAX])
{
    (void)snprintf(key, KEY_MAX, "day:%.16s", date->id);
}

static bool recall(const struct date *date, struct description *d)
{
    char key[KEY_MAX];
    auto_(buf) struct buf kept = BUF_INIT(DAY_MAX);
    key_of(date, key);
    return date->under->get && date->under->get(date->under->memo_ctx, key, &kept) == 0 &&
           description_set_day(d, buf_str(&kept)) == 0 && d->published;
}

static int ask(const struct date *date, struct description *d)
{
    const struct client_dates *how = &date->clients->dates;
    const struct client *client = clients_find(date->clients, how->client);
    struct err ignored = {.code = ERR_OK};
    json_t *answer = NULL;
    json_t *more = json_pack("{s:s, s:b, s:b}", "videoId", date->id, "contentCheckOk", 1, "racyCheckOk", 1);
    int rc = client && more
                 ? innertube_ask(&date->env, date->clients, client, how->path, more, &answer, &ignored)
                 : -1;
    if (rc == 0)
        rc = player_read_day(answer, d);
    json_decref(more);
    json_decref(answer);
    return rc;
}

static void *work(void *arg)
{
    struct date *date = arg;
    char key[KEY_MAX];
    struct description *d = description_new();
    if (d && ask(date, d) == 0 && d->published && date->under->put) {
        key_of(date, key);
        date->under->put(date->under->memo_ctx, key, d->published, clock_unix_s() + KEEP_S);
    }
    (void)pthread_mutex_lock(&date->lock);
    date->found = d;
    date->ended = true;
    (void)pthread_cond_signal(&date->changed);
    (void)pthread_mutex_unlock(&date->lock);
    return NULL;
}

static void date_free(struct date *date)
{
    description_free(date->found);
    (void)pthread_cond_destroy(&date->changed);
    (void)pthread_mutex_destroy(&date->lock);
    free(date);
}

struct date *date_begin(const struct site_env *env, const struct clients *clients, const char *id)
{
    struct date *date = env->date_wait_ms > 0 && !env->only_client ? calloc(1, sizeof *date) : NULL;
    if (!date || thread_cond_init(&date->changed) != 0) {
        free(date);
        return NULL;
    }
    date->under = env;
    date->clients = clients;
    date->id = id;
    date->env = *env;
    date->env.call = date_call;
    date->env.call_ctx = date;
    (void)pthread_mutex_init(&date->lock, NULL);
    date->found = description_new();
    if (date->found && recall(date, date->found)) {
        date->ended = true;
        return date;
    }
    description_free(steal(&date->found));
    date->has_thread = thread_start(&date->thread, work, date) == 0;
    if (date->has_thread)
        return date;
    date_free(date);
    return NULL;
}

/* False: it did not end in time. */
static bool await(struct date *date, int wait_ms)
{
    struct timespec until = thread_time_after((unsigned)wait_ms);
    (void)pthread_mutex_lock(&date->lock);
    for (int rc = 0; !date->ended && rc == 0;)
        rc = pthread_cond_timedwait(&date->changed, &date->lock, &until);
    bool ended = date->ended;
    (void)pthread_mutex_unlock(&date->lock);
    return ended;
}

void date_end(struct date *date, struct description *d)
{
    if (!date)
        return;
    if (date->has_thread && (!d || d->published || !await(date, date->under->date_wait_ms)))
        atomic_store(&date->cancelled, true);
    if (date->has_thread)
        (void)pthread_join(date->thread, NULL);
    if (d && !d->published && date->found)
        d->published = steal(&date->found->published);
    date_free(date);
}
