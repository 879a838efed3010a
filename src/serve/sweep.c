/* What leaves the tiers: see tier.h. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/tier.h"

enum { EVERY_S = 60, AT_ONCE = 32 };

/* Of those that have left long enough, a few: how many are gone, -1 error. */
static int64_t remove_some(struct app *app, int *found, struct err *err)
{
    int64_t gone = 0;
    struct store_content rows[AT_ONCE];
    *found = store_content_left(app->store, app->place, rows, AT_ONCE, err);
    for (int i = 0; i < *found; i++) {
        const struct tier *tier = tier_find(rows[i].tier);
        if (tier && tier->drop(app, &rows[i], err) < 0) {
            log_event(LOG_WARN, "content-not-removed", "tier", rows[i].tier, "error", err->text, NULL);
            continue;
        }
        int rc = store_content_gone(app->store, &rows[i], err);
        if (rc < 0)
            return -1;
        gone += rc;
    }
    return *found < 0 ? -1 : gone;
}

int64_t tiers_sweep(struct app *app, struct err *err)
{
    int64_t gone = 0;
    int64_t more = AT_ONCE;
    int found = AT_ONCE;
    if (store_content_expire(app->store, err) < 0)
        return -1;
    /* What cannot be removed is found again: it ends where there is no other. */
    while (found == AT_ONCE && more > 0) {
        more = remove_some(app, &found, err);
        if (more < 0)
            return -1;
        gone += more;
    }
    return gone;
}

void tiers_tick(struct app *app)
{
    struct err err = {0};
    auto_ptr(char) char *path = NULL;
    int64_t now = clock_mono_us();
    if (now - app->swept_mono_us < EVERY_S * INT64_C(1000000) || !tiers_are_used(app))
        return;
    app->swept_mono_us = now;
    if (asprintf(&path, "%s/sweep.lock", app->config.data_dir) < 0)
        return;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && tiers_sweep(app, &err) < 0)
        log_event(LOG_WARN, "contents-not-swept", "error", err.text, NULL);
    if (fd >= 0)
        (void)close(fd);
}
