/* See streams.h. */
#include "streams.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "gate/live.h"
#include "tool.h"

static json_t *stream_json(const struct live_stream *s)
{
    char started[24];
    char title[17];
    clock_format_utc(s->started_unix_s, started, sizeof started);
    (void)snprintf(title, sizeof title, "%016llx", (unsigned long long)s->title_hash);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "request", s->request, "state",
                     live_state_name(s->state), "site", s->site, "choice", s->choice, "key", s->key,
                     "started", started, "title_hash", title, "sent_bytes", (json_int_t)s->sent_bytes,
                     "total_bytes", (json_int_t)s->total_bytes, "bytes_per_s", (json_int_t)s->bytes_per_s);
}

static int print_json(const struct live_stream *streams, size_t count)
{
    json_t *root = json_array();
    for (size_t i = 0; root && i < count; i++)
        (void)json_array_append_new(root, stream_json(&streams[i]));
    return tool_print_json(root);
}

static int print_table(const struct live_stream *streams, size_t count)
{
    int64_t now_unix_s = clock_unix_s();
    printf("%-16s  %-9s  %-10s  %-20s  %12s  %12s  %10s  %6s  %s\n", "REQUEST", "STATE", "SITE", "CHOICE",
           "SENT MB", "OF MB", "KB/S", "S", "KEY");
    for (size_t i = 0; i < count; i++) {
        const struct live_stream *s = &streams[i];
        printf("%-16s  %-9s  %-10s  %-20s  %12.1f  %12.1f  %10.1f  %6lld  %s\n", s->request,
               live_state_name(s->state), s->site, s->choice, (double)s->sent_bytes / 1e6,
               (double)s->total_bytes / 1e6, (double)s->bytes_per_s / 1e3,
               (long long)(now_unix_s - s->started_unix_s), s->key);
    }
    return ferror(stdout) ? TOOL_FAILED : TOOL_DONE;
}

static int list(struct live *live, bool json)
{
    struct err err = {0};
    struct live_stream *streams = NULL;
    size_t count;
    if (live_list(live, &streams, &count, &err) < 0)
        return tool_failed(&err);
    int rc = json ? print_json(streams, count) : print_table(streams, count);
    free(streams);
    return rc;
}

static int stop(struct live *live, const char *request, bool json)
{
    struct err err = {0};
    int rc = live_stop(live, request, &err);
    if (rc < 0)
        return tool_failed(&err);
    if (rc == 0) {
        fprintf(stderr, "sluice: no stream of that request\n");
        return TOOL_NONE;
    }
    return json ? tool_print_json(json_pack("{s:s}", "stopped", request)) : TOOL_DONE;
}

int streams_command(int argc, char **argv)
{
    struct err err = {0};
    auto_(config) struct config config = {0};
    auto_ptr(live) struct live *live = NULL;
    bool json = tool_take_json(&argc, argv);
    bool stops = argc == 2 && strcmp(argv[0], "stop") == 0;
    if (argc > 0 && !stops)
        return tool_misuse("streams takes nothing, or stop and the id of a request", STREAMS_USAGE);
    if (config_load(&config, NULL, &err) < 0 || live_open(&live, config.data_dir, &err) < 0)
        return tool_failed(&err);
    return stops ? stop(live, argv[1], json) : list(live, json);
}
