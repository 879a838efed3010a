/* See key.h. */
#include "key.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cidr.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/hash.h"
#include "base/text.h"
#include "serve/auth.h"
#include "store/keys.h"
#include "tool.h"

enum { DAY_S = 86400, DAYS_MAX = 36500 };

/* What was asked for. NULL: not said. */
struct wish {
    const char *id, *label, *owner, *limit, *bytes, *streams, *sites, *days, *allow;
    bool json;
};

static int misuse(const char *what)
{
    return tool_misuse(what, KEY_USAGE);
}

static int no_key(const char *id, const char *why)
{
    fprintf(stderr, "sluice: key %s: %s\n", id, why);
    return TOOL_NONE;
}

static int read_wish(int argc, char **argv, struct wish *w)
{
    const struct {
        const char *name;
        const char **out;
    } options[] = {
        {"--label", &w->label}, {"--owner", &w->owner}, {"--limit", &w->limit},     {"--days", &w->days},
        {"--allow", &w->allow}, {"--bytes", &w->bytes}, {"--streams", &w->streams}, {"--sites", &w->sites},
    };
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            w->json = true;
            continue;
        }
        if (argv[i][0] != '-') {
            if (w->id)
                return misuse("one ID at a time");
            w->id = argv[i];
            continue;
        }
        const char **out = NULL;
        for (size_t k = 0; k < ARRAY_LEN(options); k++)
            out = strcmp(argv[i], options[k].name) == 0 ? options[k].out : out;
        if (!out)
            return misuse("unknown option");
        if (++i == argc)
            return misuse("an option lacks its value");
        *out = argv[i];
    }
    return 0;
}

static int set_text(char *out, size_t room, const char *value, const char *what)
{
    uint32_t c;
    size_t len = strlen(value);
    bool fine = len < room && !text_has_control(value);
    for (size_t i = 0, n; fine && i < len; i += n)
        fine = (n = text_utf8_next(value + i, len - i, &c)) > 0;
    if (fine)
        return text_copy(out, room, value);
    fprintf(stderr, "sluice: %s is too long, or no plain text\n", what);
    return -1;
}

/* Puts what was said into the key. */
static int apply(const struct wish *w, struct store_api_key *key)
{
    uint64_t n;
    if ((w->label && set_text(key->label, sizeof key->label, w->label, "--label") < 0) ||
        (w->owner && set_text(key->owner, sizeof key->owner, w->owner, "--owner") < 0))
        return TOOL_MISUSE;
    if (w->limit) {
        if (text_parse_u64(w->limit, 0, STORE_KEY_RATE_MAX, &n) < 0)
            return misuse("--limit takes a number of requests per hour; 0: no limit");
        key->rate_per_hour = (int64_t)n;
    }
    if (w->bytes) {
        if (text_parse_u64(w->bytes, 0, STORE_KEY_BYTES_MAX, &n) < 0)
            return misuse("--bytes takes a number of bytes per day; 0: no limit");
        key->bytes_per_day = (int64_t)n;
    }
    if (w->streams) {
        if (text_parse_u64(w->streams, 0, STORE_KEY_STREAMS_MAX, &n) < 0)
            return misuse("--streams takes a number of streams at once; 0: as max_streams_per_client says");
        key->streams_max = (int64_t)n;
    }
    if (w->sites &&
        (!auth_sites_are_valid(w->sites) || text_copy(key->sites, sizeof key->sites, w->sites) < 0))
        return misuse("--sites takes names of sites, separated by commas; empty: any");
    if (w->days) {
        if (text_parse_u64(w->days, 0, DAYS_MAX, &n) < 0)
            return misuse("--days takes a number of days; 0: for ever");
        key->expires_unix_s = n ? clock_unix_s() + (int64_t)n * DAY_S : 0;
    }
    if (w->allow &&
        (!cidr_list_is_valid(w->allow) || text_copy(key->addresses, sizeof key->addresses, w->allow) < 0))
        return misuse("--allow takes addresses or CIDR blocks, separated by commas");
    return 0;
}

/* --- telling --- */

static json_t *time_or_null(int64_t unix_s)
{
    char text[24];
    if (!unix_s)
        return json_null();
    clock_format_utc(unix_s, text, sizeof text);
    return json_string(text);
}

static json_t *key_json(const struct store_api_key *key)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:o, s:o}", "id", key->id, "label",
                     key->label, "owner", key->owner, "state", store_key_state_name(key->state), "limit",
                     (json_int_t)key->rate_per_hour, "bytes_per_day", (json_int_t)key->bytes_per_day,
                     "streams", (json_int_t)key->streams_max, "sites", key->sites, "allow", key->addresses,
                     "expires_at", time_or_null(key->expires_unix_s), "created_at",
                     time_or_null(key->created_unix_s));
}

static void print_line(const struct store_api_key *key)
{
    char expires[24] = "-";
    char limit[24] = "no limit";
    if (key->expires_unix_s)
        clock_format_utc(key->expires_unix_s, expires, sizeof expires);
    if (key->rate_per_hour)
        (void)snprintf(limit, sizeof limit, "%lld/h", (long long)key->rate_per_hour);
    printf("%-8s  %-8s  %12s  %-20s  %s%s%s%s%s", key->id, store_key_state_name(key->state), limit, expires,
           key->label, *key->owner ? " · " : "", key->owner, *key->addresses ? " · only from " : "",
           key->addresses);
    if (key->bytes_per_day)
        printf(" · %lld bytes/day", (long long)key->bytes_per_day);
    if (key->streams_max)
        printf(" · %lld streams", (long long)key->streams_max);
    printf("%s%s\n", *key->sites ? " · only for " : "", key->sites);
}

static int print_key(const struct wish *w, const struct store_api_key *key)
{
    if (w->json)
        return tool_print_json(key_json(key));
    print_line(key);
    return 0;
}

/* --- commands --- */

static int create(struct store *s, const struct wish *w)
{
    struct err err = {0};
    struct store_api_key key = {.rate_per_hour = STORE_KEY_RATE_DEFAULT};
    char text[STORE_KEY_TEXT_LEN + 1];
    if (!w->label || !*w->label || w->id)
        return misuse("key create takes --label, and no ID");
    int rc = apply(w, &key);
    if (rc)
        return rc;
    if (store_key_create(s, &key, text, &err) < 0)
        return tool_failed(&err);
    if (!w->json) {
        printf("id:  %s\nkey: %s\nThe key is not shown again: only its hash is kept.\n", key.id, text);
        return 0;
    }
    json_t *root = key_json(&key);
    if (root)
        (void)json_object_set_new(root, "key", json_string(text));
    return tool_print_json(root);
}

static void add_to_array(void *ctx, const struct store_api_key *key)
{
    (void)json_array_append_new(ctx, key_json(key));
}

static void print_each(void *ctx, const struct store_api_key *key)
{
    (void)ctx;
    print_line(key);
}

static int list(struct store *s, const struct wish *w)
{
    struct err err = {0};
    json_t *array = w->json ? json_array() : NULL;
    if (w->id)
        return misuse("key list takes no ID");
    if (store_key_list(s, array ? add_to_array : print_each, array, &err) < 0) {
        json_decref(array);
        return tool_failed(&err);
    }
    return array ? tool_print_json(array) : 0;
}

static int show(struct store *s, const struct wish *w)
{
    struct err err = {0};
    struct store_api_key key;
    int found = store_key_get(s, w->id, &key, &err);
    return found < 0 ? tool_failed(&err) : found ? print_key(w, &key) : no_key(w->id, "there is none");
}

static int limits(struct store *s, const struct wish *w)
{
    struct err err = {0};
    struct store_api_key key;
    int found = store_key_get(s, w->id, &key, &err);
    if (found <= 0)
        return found < 0 ? tool_failed(&err) : no_key(w->id, "there is none");
    int rc = apply(w, &key);
    if (rc)
        return rc;
    return auth_update_key(s, &key, &err) < 0 ? tool_failed(&err) : print_key(w, &key);
}

static int set_state(struct store *s, const struct wish *w, enum store_key_state state)
{
    struct err err = {0};
    int done = store_key_set_state(s, w->id, state, &err);
    if (done < 0)
        return tool_failed(&err);
    return done ? show(s, w) : no_key(w->id, "there is none, or it is revoked");
}

static int disable(struct store *s, const struct wish *w)
{
    return set_state(s, w, STORE_KEY_DISABLED);
}

static int enable(struct store *s, const struct wish *w)
{
    return set_state(s, w, STORE_KEY_ACTIVE);
}

static int revoke(struct store *s, const struct wish *w)
{
    return set_state(s, w, STORE_KEY_REVOKED);
}

int key_command(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct store *s, const struct wish *w);
        bool needs_id;
    } commands[] = {
        {"create", create, false},  {"list", list, false},    {"show", show, true},
        {"disable", disable, true}, {"enable", enable, true}, {"revoke", revoke, true},
        {"limits", limits, true},
    };
    struct err err = {0};
    struct wish wish = {0};
    auto_(config) struct config config = {0};
    auto_ptr(store) struct store *s = NULL;
    size_t i = 0;
    while (i < ARRAY_LEN(commands) && (argc < 1 || strcmp(argv[0], commands[i].name) != 0))
        i++;
    if (i == ARRAY_LEN(commands))
        return misuse("key takes create, list, show, disable, enable, revoke or limits");
    int rc = read_wish(argc - 1, argv + 1, &wish);
    if (rc)
        return rc;
    if (commands[i].needs_id && !wish.id)
        return misuse("which key? Give its ID");
    if (config_load(&config, NULL, &err) < 0 || hash_init(&err) < 0 ||
        store_open(&s, *config.database ? config.database : config.data_dir, &err) < 0)
        return tool_failed(&err);
    return commands[i].run(s, &wish);
}
