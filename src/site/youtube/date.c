/* See date.h. */
#include "site/youtube/date.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "site/youtube/challenges/challenges.h"
#include "site/youtube/innertube.h"
#include "site/youtube/path.h"
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

/* As that client it is asked for everything; what is of use is the day. */
static int ask(const struct date *date, const struct client *client, struct description *d)
{
    struct err err = {.code = ERR_OK};
    struct visitor visitor;
    struct fill fill;
    struct player_script script = {.signature_timestamp = 0};
    json_t *player = NULL;
    if ((client->needs_js && date->env.js &&
         challenges_player(&date->env, client->user_agent, &script, &err) < 0) ||
        innertube_visitor_get(&date->env, date->clients, client, &visitor, &err) < 0 ||
        fill_init(&fill, client, date->id, visitor.data) < 0)
        return -1;
    fill.signature_timestamp = script.signature_timestamp;
    int rc = innertube_player(&date->env, &fill, &player, &err);
    if (rc == 0 && !path_text(player, "microformat.playerMicroformatRenderer.publishDate") &&
        innertube_visitor_adopt(&visitor, player)) {
        json_decref(steal(&player)); /* as youtube.c does it: the answer has the visitor who is believed */
        innertube_visitor_put(&date->env, date->clients, client, &visitor);
        rc = innertube_player(&date->env, &fill, &player, &err);
    }
    if (rc == 0)
        rc = player_read_day(player, d);
    json_decref(player);
    return rc;
}

static void *work(void *arg)
{
    struct date *date = arg;
    char key[KEY_MAX];
    const struct client *client = clients_find(date->clients, date->clients->lists.client);
    struct description *d = client ? description_new() : NULL;
    if (d && ask(date, client, d) == 0 && d->published && date->under->put) {
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

static int start(struct date *date)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all); /* signals are for the thread that serves */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    date->has_thread = pthread_create(&date->thread, NULL, work, date) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return date->has_thread ? 0 : -1;
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
    pthread_condattr_t monotonic;
    struct date *date = env->date_wait_ms > 0 && !env->only_client ? calloc(1, sizeof *date) : NULL;
    if (!date || pthread_condattr_init(&monotonic) != 0) {
        free(date);
        return NULL;
    }
    date->under = env;
    date->clients = clients;
    date->id = id;
    date->env = *env;
    date->env.call = date_call;
    date->env.call_ctx = date;
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&date->lock, NULL);
    (void)pthread_cond_init(&date->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    date->found = description_new();
    if (date->found && recall(date, date->found)) {
        date->ended = true;
        return date;
    }
    description_free(steal(&date->found));
    if (start(date) < 0) {
        date_free(date);
        return NULL;
    }
    return date;
}

/* False: it did not end in time. */
static bool await(struct date *date, int wait_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
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
