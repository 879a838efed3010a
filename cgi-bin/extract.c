/* See extract.h. */
#include "extract.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "serve/canary.h"
#include "serve/describe.h"
#include "site/trace.h"
#include "site/youtube/clients.h"

enum { EXIT_FAILED = 1, EXIT_MISUSE = 2, LINE_MAX_BYTES = 32768 };

/* What was asked for. */
struct wish {
    const char *link, *client;
    bool trace, json;
};

static int misuse(const char *what)
{
    fprintf(stderr, "sluice: %s\n%s", what, EXTRACT_USAGE);
    return EXIT_MISUSE;
}

static int read_wish(int argc, char **argv, struct wish *w)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            w->json = true;
        else if (strcmp(argv[i], "--trace") == 0)
            w->trace = true;
        else if (strcmp(argv[i], "--client") == 0 && i + 1 < argc)
            w->client = argv[++i];
        else if (argv[i][0] == '-' || w->link)
            return misuse("extract takes one link, --client X, --trace and --json");
        else
            w->link = argv[i];
    }
    return w->link ? 0 : misuse("extract takes a link");
}

/* ---- What came ---- */

static const char *kind_name(enum format_kind kind)
{
    return kind == FORMAT_VIDEO ? "video" : kind == FORMAT_AUDIO ? "audio" : "muxed";
}

static json_t *description_json(const struct description *d)
{
    json_t *formats = json_array();
    for (size_t i = 0; i < d->format_count; i++) {
        const struct format *f = &d->formats[i];
        (void)json_array_append_new(
            formats, json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:s?, s:s}", "id", f->id, "kind",
                               kind_name(f->kind), "container", f->container, "codecs", f->codecs, "width",
                               f->width, "height", f->height, "bitrate", (json_int_t)f->bitrate, "size_bytes",
                               (json_int_t)f->size_bytes, "language", f->language, "label", f->label));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:s?, s:I, s:I, s:s, s:o}", "site", d->site, "id", d->id, "url",
                     d->url, "title", d->title, "author", d->author, "duration_ms",
                     (json_int_t)d->duration_ms, "subtitles", (json_int_t)d->subtitle_count, "engine",
                     d->engine, "formats", formats);
}

static int print_json(const struct wish *w, const struct description *d, const json_t *steps,
                      const struct err *err)
{
    json_t *root = json_pack("{s:b, s:s, s:s}", "ok", d != NULL, "code", d ? "ok" : err_info(err->code)->name,
                             "error", d ? "" : err->text);
    if (d)
        (void)json_object_set_new(root, "description", description_json(d));
    if (w->trace)
        (void)json_object_set_new(root, "trace", steps ? json_incref((json_t *)steps) : json_array());
    int rc = json_dumpf(root, stdout, JSON_INDENT(1)) < 0 || putchar('\n') == EOF ? -1 : 0;
    json_decref(root);
    return rc;
}

static void print_steps(const json_t *steps)
{
    for (size_t i = 0; i < json_array_size(steps); i++) {
        auto_(buf) struct buf lines = BUF_INIT(LINE_MAX_BYTES);
        if (trace_line(json_array_get(steps, i), &lines) == 0)
            (void)trace_print(buf_str(&lines), stdout);
    }
}

static void print_description(const struct description *d)
{
    (void)trace_print(d->title, stdout);
    printf("\n%s %s, by %s: %zu formats, %zu subtitles\n", d->site, d->id, d->engine, d->format_count,
           d->subtitle_count);
    for (size_t i = 0; i < d->format_count; i++) {
        const struct format *f = &d->formats[i];
        printf("%-12s %-6s %-5s %-28s %5dx%-5d %9.3f MB  ", f->id, kind_name(f->kind), f->container,
               f->codecs, f->width, f->height, (double)f->size_bytes / 1e6);
        (void)trace_print(f->label, stdout);
        (void)putchar('\n');
    }
}

/* ---- */

static int extract(struct app *app, const struct wish *w)
{
    struct err err = {0};
    struct link link;
    json_t *steps = NULL;
    auto_ptr(description) struct description *d = NULL;
    if (serve_parse_link(&link, w->link, &err) == 0)
        (void)serve_extract(app, &link, w->client, &d, &steps, &err);
    if (w->json) {
        (void)print_json(w, d, steps, &err);
    } else {
        if (w->trace)
            print_steps(steps);
        if (d)
            print_description(d);
        else
            fprintf(stderr, "sluice: %s: %s\n", err_info(err.code)->name, err.text);
    }
    json_decref(steps);
    return d && !ferror(stdout) ? 0 : EXIT_FAILED;
}

static int check_client(const struct app *app, const char *key)
{
    auto_ptr(clients) struct clients *clients = clients_acquire(app->clients_file);
    if (!key || (clients && clients_find(clients, key)))
        return 0;
    fprintf(stderr, "sluice: no client %s; there are:", key);
    for (size_t i = 0; clients && i < clients->count; i++)
        fprintf(stderr, " %s", clients->list[i].key);
    (void)fputc('\n', stderr);
    return EXIT_MISUSE;
}

int extract_command(int argc, char **argv, const char *programs)
{
    struct wish w = {0};
    struct err err = {0};
    struct config config;
    struct app app;
    int rc = read_wish(argc, argv, &w);
    if (rc != 0)
        return rc;
    log_init("sluice", LOG_ERROR); /* what happens is in the trace */
    if (config_load(&config, NULL, &err) < 0 || app_open(&app, &config, &err) < 0) {
        fprintf(stderr, "sluice: %s\n", err.text);
        return EXIT_FAILED;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* helpers may end before us */
    app_start_js(&app, programs);
    app_start_ytdlp(&app, programs);
    rc = check_client(&app, w.client);
    if (rc == 0)
        rc = extract(&app, &w);
    app_close(&app);
    return rc;
}

/* ---- Canary ---- */

static void print_canary(const json_t *root)
{
    const json_t *links = json_object_get(root, "links");
    for (size_t i = 0; i < json_array_size(links); i++) {
        const json_t *l = json_array_get(links, i);
        printf("%-40s %-24s %7lld ms  %s\n", json_string_value(json_object_get(l, "link")),
               json_string_value(json_object_get(l, "code")),
               (long long)json_integer_value(json_object_get(l, "took_ms")),
               json_string_value(json_object_get(l, "engine")));
    }
}

static int show_canary(struct app *app, bool json)
{
    if (!*app->config.canary_links) {
        fprintf(stderr, "sluice: canary_links is empty\n");
        return EXIT_FAILED;
    }
    int failed = canary_run(app);
    json_t *root = canary_json(app);
    if (json && root)
        (void)(json_dumpf(root, stdout, JSON_INDENT(1)) < 0 || putchar('\n') == EOF);
    else
        print_canary(root);
    bool shown = root && !ferror(stdout);
    json_decref(root);
    return failed == 0 && shown ? 0 : EXIT_FAILED;
}

int canary_command(int argc, char **argv, const char *programs)
{
    struct err err = {0};
    struct config config;
    struct app app;
    bool json = argc == 1 && strcmp(argv[0], "--json") == 0;
    if (argc > 0 && !json) {
        fprintf(stderr, "sluice: canary takes --json\n%s", CANARY_USAGE);
        return EXIT_MISUSE;
    }
    log_init("sluice", LOG_ERROR);
    if (config_load(&config, NULL, &err) < 0 || app_open(&app, &config, &err) < 0) {
        fprintf(stderr, "sluice: %s\n", err.text);
        return EXIT_FAILED;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* helpers may end before us */
    app_start_js(&app, programs);
    int rc = show_canary(&app, json);
    app_close(&app);
    return rc;
}
