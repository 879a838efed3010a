/* This installation, for the admin pages: its programs, its database, whether it is in order, how it is set,
 * and changing those settings that may change while programs run. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "serve/admin.h"
#include "serve/books.h"
#include "serve/doctor.h"
#include "serve/serve.h"
#include "serve/settings.h"
#include "store/care.h"
#include "store/settings.h"

/* ---- Settings ---- */

static json_t *value_json(const struct config_key *k, const struct buf *value)
{
    return json_string(k->secret && value->len ? "(set)" : buf_str(value));
}

/* How it is, and how it would be without what was changed here. */
static json_t *setting_json(struct app *app, const struct config_key *k)
{
    auto_(buf) struct buf value = BUF_INIT(CONFIG_VALUE_MAX_BYTES + 1);
    auto_(buf) struct buf without = BUF_INIT(CONFIG_VALUE_MAX_BYTES + 1);
    enum config_source source;
    if (config_value(&app->config, k, &value) < 0 || settings_without(app, k, &without, &source) < 0)
        return NULL;
    bool usual = strcmp(buf_str(&value), k->fallback) == 0;
    return json_pack("{s:s, s:o, s:b, s:s, s:s, s:s, s:b, s:b, s:s, s:I, s:I, s:s?, s:s, s:o, s:s}", "name",
                     k->name, "value", value_json(k, &value), "usual", usual, "fallback", k->fallback, "unit",
                     k->unit, "help", k->help, "live", k->live, "secret", k->secret, "kind",
                     k->kind == CONFIG_INT ? "number" : "text", "min", (json_int_t)k->min, "max",
                     (json_int_t)k->max, "choices", k->choices, "source",
                     config_source_name(config_source_of(&app->config, k)), "without",
                     value_json(k, &without), "without_source", config_source_name(source));
}

static void add_change(void *ctx, const struct store_setting *one)
{
    size_t i;
    json_t *each;
    json_array_foreach ((json_t *)ctx, i, each) {
        const char *name = json_string_value(json_object_get(each, "name"));
        if (!name || strcmp(name, one->name) != 0)
            continue;
        (void)json_object_set_new(each, "changed_by", json_string(one->changed_by));
        (void)json_object_set_new(each, "changed_at", admin_time(one->changed_unix_s));
    }
}

json_t *admin_settings(struct app *app, struct err *err)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *one = setting_json(app, &keys[i]);
        (void)json_array_append_new(list, one ? one : json_null());
    }
    if (store_setting_list(app->store, add_change, list, err) == 0)
        return list;
    json_decref(list);
    return NULL;
}

/* `name`, and `value`, or `reset`: back to what file and environment say. */
int serve_admin_settings(struct app *app, const struct http_request *req, struct http_response *res,
                         struct err *err)
{
    struct admin a;
    const char *name;
    const char *value = http_param(req, "value");
    auto_(buf) struct buf before = BUF_INIT(CONFIG_VALUE_MAX_BYTES + 1);
    auto_(buf) struct buf after = BUF_INIT(CONFIG_VALUE_MAX_BYTES + 1);
    if (admin_enter(app, req, res, ADMIN_CHANGE, &a, err) < 0 || admin_param(req, "name", &name, err) < 0)
        return -1;
    const struct config_key *k = config_find(name);
    bool resets = http_param(req, "reset") != NULL;
    if (!k || (!value && !resets))
        return err_set(err, ERR_BAD_REQUEST, "no such setting, or no value");
    if (config_value(&app->config, k, &before) < 0 ||
        settings_change(app, name, resets ? NULL : value, a.session.name, err) < 0 ||
        config_value(&app->config, k, &after) < 0 ||
        admin_note(app, &a, "setting", name, value_json(k, &before), value_json(k, &after), err) < 0)
        return err->code ? -1 : err_set(err, ERR_INTERNAL, "out of memory");
    return admin_send(res, json_pack("{s:o}", "setting", setting_json(app, k)), err);
}

/* ---- Programs and database ---- */

json_t *admin_processes(struct app *app)
{
    struct tally_process all[TALLY_PROCESSES];
    size_t count = books_list_processes(app->books, all, ARRAY_LEN(all));
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct tally_process *p = &all[i];
        json_t *one = json_pack("{s:s, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "program", p->program, "pid",
                                (json_int_t)p->pid, "started_at", admin_time(p->started_unix_s), "rss_bytes",
                                (json_int_t)p->rss_bytes, "vms_bytes", (json_int_t)p->vms_bytes, "cpu_us",
                                (json_int_t)p->cpu_us, "threads", (json_int_t)p->threads, "files",
                                (json_int_t)p->files, "files_max", (json_int_t)p->files_max);
        (void)json_array_append_new(list, one ? one : json_null());
    }
    return list;
}

/* A file, and what was not put into it yet; what a server takes it knows itself. */
json_t *admin_database(const struct app *app)
{
    const struct config *c = &app->config;
    struct store_about about;
    struct err ignored;
    struct stat st;
    char journal[sizeof about.name + 4];
    json_int_t bytes = 0;
    if (store_name(*c->database ? c->database : c->data_dir, &about, &ignored) < 0)
        return json_null();
    if (!about.is_file)
        return json_pack("{s:s, s:n}", "kind", "PostgreSQL", "bytes");
    if (stat(about.name, &st) == 0)
        bytes = st.st_size;
    (void)snprintf(journal, sizeof journal, "%s-wal", about.name);
    if (stat(journal, &st) == 0)
        bytes += st.st_size;
    return json_pack("{s:s, s:I}", "kind", "SQLite", "bytes", bytes);
}

/* ---- All of it ---- */

static void add_finding(void *ctx, const struct doctor_finding *f)
{
    json_t *one = json_pack("{s:s, s:s, s:s, s:s}", "check", f->check, "grade", doctor_grade_name(f->grade),
                            "text", f->text, "fix", f->fix);
    (void)json_array_append_new(ctx, one ? one : json_null());
}

static json_t *versions_json(void)
{
    struct utsname kernel = {0};
    auto_(buf) struct buf libraries = BUF_INIT(1024);
    (void)uname(&kernel);
    store_library_versions(&libraries);
    return json_pack("{s:s, s:s, s:s, s:s}", "sluice", SLUICE_VERSION, "kernel", kernel.release, "machine",
                     kernel.machine, "libraries", buf_str(&libraries));
}

int serve_admin_system(struct app *app, const struct http_request *req, struct http_response *res,
                       struct err *err)
{
    struct admin a;
    int64_t examine;
    if (admin_enter(app, req, res, ADMIN_LOOK, &a, err) < 0 ||
        admin_number(req, "examine", 0, 1, &examine, err) < 0)
        return -1;
    json_t *settings = admin_settings(app, err);
    if (!settings)
        return -1;
    json_t *findings = json_array();
    const struct doctor_opts opts = {.config = &app->config, .sandbox = &app->sandbox, .confined = true};
    if (examine)
        (void)doctor_run(&opts, add_finding, findings);
    return admin_send(res,
                      json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o}", "version", SLUICE_VERSION,
                                "versions", versions_json(), "sandbox", sandbox_level(&app->sandbox),
                                "sandbox_missing", app->sandbox.missing, "processes", admin_processes(app),
                                "database", admin_database(app), "settings", settings, "findings", findings),
                      err);
}
