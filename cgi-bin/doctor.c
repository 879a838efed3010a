/* See doctor.h. */
#include "doctor.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "serve/doctor.h"
#include "store/care.h"
#include "store/settings.h"
#include "tool.h"

enum { EXIT_WARN = 1, EXIT_FAIL = 2 };

static void print_line(void *ctx, const struct doctor_finding *f)
{
    (void)ctx;
    printf("%-4s  %-16s  %s\n", doctor_grade_name(f->grade), f->check, f->text);
    if (*f->fix)
        printf("%-4s  %-16s  fix: %s\n", "", "", f->fix);
    (void)fflush(stdout); /* the next one may take a while */
}

static void add_json(void *ctx, const struct doctor_finding *f)
{
    (void)json_array_append_new(ctx, json_pack("{s:s, s:s, s:s, s:o}", "check", f->check, "grade",
                                               doctor_grade_name(f->grade), "text", f->text, "fix",
                                               *f->fix ? json_string(f->fix) : json_null()));
}

static int read_options(int argc, char **argv, struct doctor_opts *opts)
{
    const struct {
        const char *name;
        const char **out;
    } options[] = {
        {"--url", &opts->url}, {"--docroot", &opts->docroot}, {"--server-config", &opts->server_file}};
    for (int i = 0; i < argc; i++) {
        size_t k = 0;
        if (strcmp(argv[i], "--offline") == 0) {
            opts->offline = true;
            continue;
        }
        while (k < ARRAY_LEN(options) && strcmp(options[k].name, argv[i]) != 0)
            k++;
        if (k == ARRAY_LEN(options) || i + 1 == argc)
            return tool_misuse("unknown option, or one that lacks its value", DOCTOR_USAGE);
        *options[k].out = argv[++i];
    }
    if (opts->url && strncmp(opts->url, "http://", 7) != 0 && strncmp(opts->url, "https://", 8) != 0)
        return tool_misuse("--url begins with http:// or https://", DOCTOR_USAGE);
    return 0;
}

/* Settings that do not read are a finding like any other. */
static void take_setting(void *ctx, const struct store_setting *one)
{
    struct err ignored;
    const struct config_key *k = config_find(one->name);
    if (k)
        (void)config_change(ctx, k, one->value, CONFIG_SETTING, &ignored);
}

/* What was changed while programs run counts for them. A database that is not there is a finding of its own.
 */
static void take_settings(struct config *config)
{
    struct store_about about;
    struct err ignored;
    auto_ptr(store) struct store *store = NULL;
    const char *where = *config->database ? config->database : config->data_dir;
    if (store_look(where, &about, &ignored) == 0 && about.missing == 0 &&
        store_open(&store, where, &ignored) == 0)
        (void)store_setting_list(store, take_setting, config, &ignored);
}

static int load(struct config *config, struct doctor_finding *broken)
{
    struct err err = {0};
    if (config_load(config, NULL, &err) == 0 && hash_init(&err) == 0) {
        take_settings(config);
        return 0;
    }
    *broken = (struct doctor_finding){.check = "settings", .grade = DOCTOR_FAIL};
    (void)snprintf(broken->text, sizeof broken->text, "%s", err.text);
    (void)snprintf(broken->fix, sizeof broken->fix,
                   "sluice config --check; sluice config --example has every key");
    return -1;
}

int doctor_command(int argc, char **argv, const char *programs)
{
    auto_(config) struct config config = {0};
    struct doctor_opts opts = {.config = &config, .programs = programs};
    struct doctor_finding broken;
    bool json = tool_take_json(&argc, argv);
    int rc = read_options(argc, argv, &opts);
    if (rc)
        return rc;
    json_t *findings = json ? json_array() : NULL;
    enum doctor_grade worst = DOCTOR_FAIL;
    if (load(&config, &broken) < 0)
        (json ? add_json : print_line)(findings, &broken);
    else
        worst = doctor_run(&opts, json ? add_json : print_line, findings);
    if (json && tool_print_json(json_pack("{s:s, s:o}", "status", doctor_grade_name(worst), "findings",
                                          findings)) != TOOL_DONE)
        return EXIT_FAIL;
    return worst == DOCTOR_OK ? TOOL_DONE : worst == DOCTOR_WARN ? EXIT_WARN : EXIT_FAIL;
}
