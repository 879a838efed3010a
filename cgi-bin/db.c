/* See db.h. */
#include "db.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/hash.h"
#include "store/care.h"
#include "tool.h"

enum { FINDINGS_MAX_BYTES = 65536 };

struct ask {
    const char *where; /* as store_open() takes it */
    const char *file;  /* of backup */
    bool json;
};

static int say_failed(const struct err *err)
{
    (void)tool_failed(err);
    return err->code == ERR_NOT_FOUND ? TOOL_NONE : TOOL_FAILED;
}

static json_t *about_json(const struct store_about *about)
{
    return json_pack("{s:s, s:s}", "engine", about->is_file ? "sqlite" : "postgresql", "database",
                     about->name);
}

static int path(const struct ask *ask)
{
    struct err err = {0};
    struct store_about about;
    if (store_name(ask->where, &about, &err) < 0)
        return say_failed(&err);
    if (ask->json)
        return tool_print_json(about_json(&about));
    return puts(about.name) < 0;
}

/* After `out` was found sound or not. */
static int tell_check(const struct ask *ask, const struct store_about *about, bool sound,
                      const struct buf *findings)
{
    bool current = about->missing == 0;
    int rc = sound && current ? TOOL_DONE : TOOL_FAILED;
    if (ask->json) {
        json_t *root = about_json(about);
        if (root)
            (void)json_object_update_new(root, json_pack("{s:b, s:I, s:I, s:s}", "sound", (int)sound,
                                                         "schema", (json_int_t)about->version, "missing",
                                                         (json_int_t)about->missing, "findings",
                                                         buf_str(findings)));
        int printed = tool_print_json(root);
        return printed ? printed : rc;
    }
    printf("%s: %s; schema %lld%s\n%s", about->name, sound ? "sound" : "DAMAGED", (long long)about->version,
           current ? "" : ", which is not up to date: sluice db migrate", buf_str(findings));
    if (!sound)
        puts("Stop Sluice, move the file away, and put a copy back or start with an empty one.");
    return rc;
}

static int check(const struct ask *ask)
{
    struct err err = {0};
    struct store_about about;
    auto_(buf) struct buf findings = BUF_INIT(FINDINGS_MAX_BYTES);
    int sound = store_verify(ask->where, &findings, &err);
    if (sound < 0)
        return say_failed(&err);
    if (sound == 0) { /* its schema may not be readable */
        if (store_name(ask->where, &about, &err) < 0)
            return say_failed(&err);
    } else if (store_look(ask->where, &about, &err) < 0) {
        return say_failed(&err);
    }
    return tell_check(ask, &about, sound == 1, &findings);
}

static int migrate(const struct ask *ask)
{
    struct err err = {0};
    struct store_about before = {0};
    struct store_about after = {0};
    struct store *s = NULL;
    if (store_look(ask->where, &before, &err) < 0 && err.code != ERR_NOT_FOUND)
        return say_failed(&err);
    if (store_open(&s, ask->where, &err) < 0)
        return say_failed(&err);
    store_close(s); /* a server that cannot be reached now is no error above, but is here: */
    if (store_look(ask->where, &after, &err) < 0)
        return say_failed(&err);
    if (ask->json) {
        json_t *root = about_json(&after);
        if (root)
            (void)json_object_update_new(root,
                                         json_pack("{s:I, s:I}", "schema_before", (json_int_t)before.version,
                                                   "schema", (json_int_t)after.version));
        return tool_print_json(root);
    }
    if (before.version == after.version && before.missing == 0)
        printf("%s: schema %lld, as before\n", after.name, (long long)after.version);
    else
        printf("%s: schema %lld, was %lld\n", after.name, (long long)after.version,
               (long long)before.version);
    return TOOL_DONE;
}

static int backup(const struct ask *ask)
{
    struct err err = {0};
    struct store_about about;
    if (store_backup(ask->where, ask->file, &err) < 0) {
        int rc = say_failed(&err);
        if (err.code == ERR_UNSUPPORTED_SITE)
            fprintf(stderr, "Use: pg_dump --format=custom --file=%s POSTGRESQL-URL\n", ask->file);
        return rc;
    }
    if (store_name(ask->where, &about, &err) < 0)
        return say_failed(&err);
    if (!ask->json)
        return printf("%s copied to %s\n", about.name, ask->file) < 0;
    json_t *root = about_json(&about);
    if (root)
        (void)json_object_set_new(root, "copy", json_string(ask->file));
    return tool_print_json(root);
}

int db_command(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct ask *ask);
        int arguments;
    } commands[] = {{"path", path, 0}, {"check", check, 0}, {"migrate", migrate, 0}, {"backup", backup, 1}};
    struct err err = {0};
    auto_(config) struct config config = {0};
    struct ask ask = {.json = tool_take_json(&argc, argv)};
    size_t i = 0;
    while (i < ARRAY_LEN(commands) && (argc < 1 || strcmp(argv[0], commands[i].name) != 0))
        i++;
    if (i == ARRAY_LEN(commands))
        return tool_misuse("db takes path, check, migrate or backup", DB_USAGE);
    if (argc - 1 != commands[i].arguments || (argc > 1 && argv[1][0] == '-'))
        return tool_misuse(commands[i].arguments ? "db backup takes the file to make"
                                                 : "that takes nothing but --json",
                           DB_USAGE);
    ask.file = commands[i].arguments ? argv[1] : NULL;
    if (config_load(&config, NULL, &err) < 0 || hash_init(&err) < 0)
        return tool_failed(&err);
    ask.where = *config.database ? config.database : config.data_dir;
    return commands[i].run(&ask);
}
