/* See settings.h. */
#include "serve/settings.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/telegram.h"
#include "store/jobs.h"
#include "store/settings.h"

enum { MAINTENANCE_RETRY_S = 60 };

struct settings {
    pthread_mutex_t lock; /* one changes them at a time */
    const struct config_key *keys;
    size_t count;
    /* By the place in `keys`; NULL: not live. */
    char *without[CONFIG_KEYS_MAX];
    unsigned char source[CONFIG_KEYS_MAX];
};

/* What the table says, by the place in `keys`. */
struct rows {
    const struct settings *of;
    char *value[CONFIG_KEYS_MAX];
};

static void rows_fini(struct rows *r)
{
    for (size_t i = 0; i < CONFIG_KEYS_MAX; i++)
        free(r->value[i]);
}
DEFINE_AUTO(rows, rows_fini)

static void take_row(void *ctx, const struct store_setting *one)
{
    struct rows *r = ctx;
    const struct config_key *k = config_find(one->name);
    struct err err;
    if (!k || config_try(k, one->value, &err) < 0)
        return; /* another version's */
    free(r->value[k - r->of->keys]);
    r->value[k - r->of->keys] = strdup(one->value);
}

/* Tells the parts of the app that keep a copy. */
static void pass_on(struct app *app)
{
    const struct config *c = &app->config;
    log_set_level(c->log_level);
    store_limit_cache(app->store, (uint64_t)c->description_bytes);
    slices_limit(app->slices, c->cache_bytes, c->slice_ttl_s);
    store_jobs_keep(app->store, c->job_keep_s);
    app_set_gates(app);
}

/* With the lock: what the table says, and where it says nothing, what file and environment do. */
static void adopt(struct app *app, const struct rows *rows)
{
    struct settings *s = app->settings;
    bool changed = false;
    for (size_t i = 0; i < s->count; i++) {
        struct err err;
        auto_(buf) struct buf now = BUF_INIT(CONFIG_VALUE_MAX_BYTES + 1);
        const char *wanted = rows->value[i] ? rows->value[i] : s->without[i];
        enum config_source source = rows->value[i] ? CONFIG_SETTING : (enum config_source)s->source[i];
        if (!wanted || config_value(&app->config, &s->keys[i], &now) < 0 ||
            (strcmp(buf_str(&now), wanted) == 0 && config_source_of(&app->config, &s->keys[i]) == source))
            continue;
        if (config_change(&app->config, &s->keys[i], wanted, source, &err) < 0)
            log_event(LOG_WARN, "setting-not-taken", "name", s->keys[i].name, "error", err.text, NULL);
        changed = true;
    }
    if (changed)
        pass_on(app);
}

static int take_up(struct app *app, struct err *err)
{
    struct settings *s = app->settings;
    auto_(rows) struct rows rows = {.of = s};
    (void)pthread_mutex_lock(&s->lock);
    int rc = store_setting_list(app->store, take_row, &rows, err);
    if (rc == 0)
        adopt(app, &rows);
    (void)pthread_mutex_unlock(&s->lock);
    return rc;
}

void settings_tick(struct app *app)
{
    struct err ignored; /* the next look is near */
    (void)take_up(app, &ignored);
}

int settings_open(struct app *app, struct err *err)
{
    struct settings *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(err, ERR_INTERNAL, "out of memory");
    (void)pthread_mutex_init(&s->lock, NULL);
    app->settings = s;
    s->keys = config_keys(&s->count);
    for (size_t i = 0; i < s->count; i++) {
        auto_(buf) struct buf value = BUF_INIT(CONFIG_VALUE_MAX_BYTES + 1);
        if (!s->keys[i].live)
            continue;
        if (config_value(&app->config, &s->keys[i], &value) < 0 || !(s->without[i] = strdup(buf_str(&value))))
            return err_set(err, ERR_INTERNAL, "out of memory");
        s->source[i] = (unsigned char)config_source_of(&app->config, &s->keys[i]);
    }
    struct err why;
    if (take_up(app, &why) < 0)
        log_event(LOG_WARN, "settings-not-read", "error", why.text, NULL);
    return 0;
}

void settings_close(struct app *app)
{
    struct settings *s = steal(&app->settings);
    if (!s)
        return;
    for (size_t i = 0; i < CONFIG_KEYS_MAX; i++)
        free(s->without[i]);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

int settings_try(const struct config_key *key, const char *value, struct err *err)
{
    if (config_try(key, value, err) < 0)
        return -1;
    if (telegram_check_value(key->name, value, err) == 0)
        return 0;
    err->code = ERR_BAD_REQUEST;
    return -1;
}

int settings_change(struct app *app, const char *name, const char *value, const char *by, struct err *err)
{
    const struct config_key *k = config_find(name);
    if (!k || !k->live)
        return err_set(err, ERR_BAD_REQUEST, "no setting that is changed like this");
    const struct store_setting one = {name, value, by, clock_unix_s()};
    if (value && (settings_try(k, value, err) < 0 || store_setting_put(app->store, &one, err) < 0))
        return -1;
    if (!value && store_setting_drop(app->store, name, err) < 0)
        return -1;
    return take_up(app, err);
}

int settings_without(struct app *app, const struct config_key *key, struct buf *out,
                     enum config_source *source)
{
    const struct settings *s = app->settings;
    size_t i = (size_t)(key - s->keys);
    *source = key->live ? (enum config_source)s->source[i] : config_source_of(&app->config, key);
    return key->live ? buf_adds(out, s->without[i]) : config_value(&app->config, key, out);
}

bool settings_maintenance(const struct app *app)
{
    return strcmp(app->config.maintenance, "on") == 0;
}

int settings_admit(const struct app *app, struct err *err)
{
    if (!settings_maintenance(app))
        return 0;
    (void)err_set(err, ERR_MAINTENANCE, "%s", app->config.maintenance_message);
    err->is_public = true;
    err->retry_after_s = MAINTENANCE_RETRY_S;
    return -1;
}
