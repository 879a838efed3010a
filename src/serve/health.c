/* /livez (the process answers, no I/O), /readyz (it can work), /health (what an operator's monitor wants). */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "serve/books.h"
#include "serve/canary.h"
#include "serve/serve.h"
#include "serve/settings.h"
#include "serve/telegram.h"

enum { DISK_LEAST_BYTES = 16 << 20 }; /* below this the database cannot be expected to grow */

static int send_json(struct http_response *res, json_t *root, struct err *err)
{
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text)
        return err_set(err, ERR_INTERNAL, "cannot write JSON");
    (void)http_set_header(res, "Cache-Control", "no-store");
    (void)http_send(res, "application/json", text, strlen(text));
    free(text);
    return 0;
}

int serve_livez(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    (void)app;
    (void)req;
    return send_json(res, json_pack("{s:s}", "status", "ok"), err);
}

static bool disk_has_room(const struct app *app)
{
    struct statvfs fs;
    return statvfs(app->config.data_dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize >= DISK_LEAST_BYTES;
}

int serve_readyz(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    (void)req;
    struct err why = {0};
    bool database = store_check(app->store, &why) == 0;
    bool disk = disk_has_room(app);
    bool extractor = site_check(&app->site, &why) == 0;
    bool ready = database && disk && extractor;
    struct canary_summary canary = {.state = CANARY_NONE};
    if (ready)
        canary_look(app, &canary);
    if (!ready || canary.state == CANARY_FAILING)
        (void)http_set_status(res, 503);
    /* Not 503: all hosts are in maintenance together, and who answers for them should be us. */
    const char *status = !ready                            ? "unavailable"
                         : settings_maintenance(app)       ? "maintenance"
                         : canary.state >= CANARY_DEGRADED ? canary_state_name(canary.state)
                                                           : "ok";
    return send_json(res,
                     json_pack("{s:s, s:{s:b, s:b, s:b, s:s}}", "status", status, "checks", "database",
                               database, "disk", disk, "extractor", extractor, "canary",
                               canary_state_name(canary.state)),
                     err);
}

/* That of all programs of this host, and its share of the machine's. */
static json_t *memory_json(const struct tally_process *sum)
{
    double all = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    return json_pack("{s:I, s:I, s:f}", "rss", (json_int_t)sum->rss_bytes, "vms", (json_int_t)sum->vms_bytes,
                     "percent", all > 0 ? 100.0 * (double)sum->rss_bytes / all : 0.0);
}

/* Of the place for files there; see telegram_state(). */
static const char *telegram_text(struct app *app)
{
    struct telegram t;
    struct err ignored = {0};
    int on = telegram_init(&t, &app->config, app->net, app->store, app->cache, &ignored);
    return on < 0 ? "denied" : on == 0 ? "off" : telegram_state(&t);
}

/* What the operator says about it; null: there is none. */
static json_t *maintenance_json(const struct app *app)
{
    return settings_maintenance(app) ? json_string(app->config.maintenance_message) : json_null();
}

/* Where a file can be sent instead of to whoever asks (jobs). */
static json_t *uploads_json(const struct app *app)
{
    return app->s3 ? json_pack("[s]", "s3") : json_array();
}

int serve_health(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    (void)req;
    char now[24];
    struct gate_counts counts = {0};
    struct gate_counts made = {0};
    struct live_counts streams = {0};
    struct tally_process memory;
    struct err why = {0};
    size_t processes = books_processes(app->books, &memory);
    bool ok = store_check(app->store, &why) == 0;
    ok = gate_count(app->gate, &counts, &why) == 0 && ok;
    ok = gate_count(app->workers, &made, &why) == 0 && ok;
    ok = live_count(app->live, &streams, &why) == 0 && ok;
    clock_format_utc(clock_unix_s(), now, sizeof now);
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:o, s:[s,s], s:{s:i, s:i, s:i}, s:{s:i, s:i, s:i}, s:{s:i, s:i, s:i}, s:s, s:I, s:o, s:s, s:o}",
        "status",
        !ok                         ? "degraded"
        : settings_maintenance(app) ? "maintenance"
                                    : "ok",
        "time", now, "version", SLUICE_VERSION, "maintenance", maintenance_json(app), "engines", "youtube",
        "direct", "workers", "max", (int)counts.max, "active", (int)counts.active, "waiting",
        (int)counts.waiting, "conversions", "max", (int)made.max, "active", (int)made.active, "waiting",
        (int)made.waiting, "streams", "streaming", (int)streams.streaming, "making", (int)streams.making,
        "waiting", (int)streams.waiting, "sandbox", sandbox_level(&app->sandbox), "processes",
        (json_int_t)processes, "memory", memory_json(&memory), "telegram", telegram_text(app), "uploads",
        uploads_json(app));
    return send_json(res, root, err);
}
