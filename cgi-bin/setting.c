/* See setting.h. */
#include "setting.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/hash.h"
#include "serve/settings.h"
#include "store/admin.h"
#include "store/settings.h"
#include "tool.h"

static const char who[] = "command line"; /* in the audit log */

static int misuse(const char *what)
{
    return tool_misuse(what, SETTING_USAGE);
}

static int open_store(struct config *c, struct store **out, struct err *err)
{
    return config_load(c, NULL, err) < 0 || hash_init(err) < 0
               ? -1
               : store_open(out, *c->database ? c->database : c->data_dir, err);
}

/* ---- Changing ---- */

/* What may be shown of a value, on a screen and in the audit log. */
static const char *shown(const char *name, const char *value)
{
    const struct config_key *k = config_find(name);
    return k && k->secret && *value ? "(set)" : value;
}

static int note(struct store *store, const char *name, const char *value, struct err *err)
{
    json_t *text = value ? json_string(shown(name, value)) : NULL;
    char *after = text ? json_dumps(text, JSON_ENCODE_ANY) : NULL;
    struct store_audit line = {
        .name = who, .action = "setting", .subject = name, .before = "", .after = after ? after : ""};
    int rc = store_audit_add(store, &line, err);
    free(after);
    json_decref(text);
    return rc;
}

/* value NULL: back. 1 done, 0 there is nothing to go back from. */
static int change(struct store *store, const char *name, const char *value, struct err *err)
{
    const struct config_key *k = config_find(name);
    const struct store_setting one = {name, value, who, clock_unix_s()};
    if (!k)
        return err_set(err, ERR_BAD_REQUEST, "there is no setting `%s`", name);
    if (value && settings_try(k, value, err) < 0)
        return -1;
    int rc = value ? store_setting_put(store, &one, err) : store_setting_drop(store, name, err);
    if (rc < 0 || (!value && rc == 0))
        return rc;
    return note(store, name, value, err) < 0 ? -1 : 1;
}

/* ---- sluice setting ---- */

static void add_row(void *ctx, const struct store_setting *one)
{
    char at[24];
    const char *value = shown(one->name, one->value);
    clock_format_utc(one->changed_unix_s, at, sizeof at);
    if (ctx)
        (void)json_array_append_new(ctx, json_pack("{s:s, s:s, s:s, s:s}", "name", one->name, "value", value,
                                                   "changed_by", one->changed_by, "changed_at", at));
    else
        printf("%-24s  %-20s  %s  %s\n", one->name, value, at, one->changed_by);
}

static int list(struct store *store, bool json)
{
    struct err err = {0};
    json_t *rows = json ? json_array() : NULL;
    if (store_setting_list(store, add_row, rows, &err) < 0) {
        json_decref(rows);
        return tool_failed(&err);
    }
    return rows ? tool_print_json(rows) : TOOL_DONE;
}

/* A value that is not for the list of processes: the first line of the standard input. */
static int read_line(char out[STORE_SETTING_VALUE_MAX + 2])
{
    if (!fgets(out, STORE_SETTING_VALUE_MAX + 2, stdin))
        return -1;
    out[strcspn(out, "\r\n")] = '\0';
    return 0;
}

int setting_command(int argc, char **argv)
{
    struct err err = {0};
    auto_(config) struct config config = {0};
    auto_ptr(store) struct store *store = NULL;
    char line[STORE_SETTING_VALUE_MAX + 2];
    bool json = tool_take_json(&argc, argv);
    bool sets = argc == 3 && strcmp(argv[0], "set") == 0;
    bool resets = argc == 2 && strcmp(argv[0], "reset") == 0;
    if (argc && !sets && !resets)
        return misuse("setting takes nothing, set NAME VALUE or reset NAME");
    if (open_store(&config, &store, &err) < 0)
        return tool_failed(&err);
    if (!argc)
        return list(store, json);
    if (sets && strcmp(argv[2], "-") == 0) {
        if (read_line(line) < 0)
            return misuse("setting set NAME - reads the value from the standard input");
        argv[2] = line;
    }
    int rc = change(store, argv[1], sets ? argv[2] : NULL, &err);
    if (rc < 0)
        return tool_failed(&err);
    if (rc == 0) {
        fprintf(stderr, "sluice: %s was not changed\n", argv[1]);
        return TOOL_NONE;
    }
    return json ? tool_print_json(json_pack("{s:s, s:s?}", "name", argv[1], "value",
                                            sets ? shown(argv[1], argv[2]) : NULL))
                : TOOL_DONE;
}

/* ---- sluice maintenance ---- */

struct state {
    bool on;
    char message[STORE_SETTING_VALUE_MAX + 1];
};

static void read_state(struct state *s, const char *name, const char *value)
{
    if (strcmp(name, "maintenance") == 0)
        s->on = strcmp(value, "on") == 0;
    if (strcmp(name, "maintenance_message") == 0)
        (void)snprintf(s->message, sizeof s->message, "%s", value);
}

static void take_state(void *ctx, const struct store_setting *one)
{
    read_state(ctx, one->name, one->value);
}

static int say(const struct config *c, struct store *store, bool json)
{
    struct err err = {0};
    struct state s = {0};
    read_state(&s, "maintenance", c->maintenance);
    read_state(&s, "maintenance_message", c->maintenance_message);
    if (store_setting_list(store, take_state, &s, &err) < 0)
        return tool_failed(&err);
    if (json)
        return tool_print_json(json_pack("{s:b, s:s}", "maintenance", s.on, "message", s.message));
    printf("maintenance: %s%s%s\n", s.on ? "on" : "off", *s.message ? ": " : "", s.message);
    return TOOL_DONE;
}

int maintenance_command(int argc, char **argv)
{
    struct err err = {0};
    auto_(config) struct config config = {0};
    auto_ptr(store) struct store *store = NULL;
    bool json = tool_take_json(&argc, argv);
    const char *state = argc ? argv[0] : NULL;
    bool told = argc == 3 && strcmp(argv[1], "--message") == 0;
    if ((state && strcmp(state, "on") != 0 && strcmp(state, "off") != 0) || (argc > 1 && !told))
        return misuse("maintenance takes on or off, and --message TEXT");
    if (open_store(&config, &store, &err) < 0 ||
        (told && change(store, "maintenance_message", argv[2], &err) < 0) ||
        (state && change(store, "maintenance", state, &err) < 0))
        return tool_failed(&err);
    return say(&config, store, json);
}
