/* See doctor.h: the table, and the checks that are short. */
#include "serve/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cidr.h"
#include "base/io.h"
#include "base/text.h"
#include "media/libraries.h"
#include "net/net.h"
#include "serve/app.h"
#include "serve/doctor_impl.h"
#include "site/youtube/clients.h"
#include "store/care.h"

/* ---- Saying ---- */

const char *doctor_grade_name(enum doctor_grade grade)
{
    static const char *const names[] = {[DOCTOR_OK] = "ok", [DOCTOR_WARN] = "warn", [DOCTOR_FAIL] = "fail"};
    return names[grade];
}

static void tell(struct doctor *d, struct doctor_finding *f)
{
    f->check = d->check;
    for (char *p = f->text; *p; p++)
        *p = *p == '\n' || *p == '\t' ? ' ' : *p;
    if (f->grade > d->worst)
        d->worst = f->grade;
    d->each(d->ctx, f);
}

void doctor_say(struct doctor *d, enum doctor_grade grade, const char *fix, const char *fmt, ...)
{
    struct doctor_finding f = {.grade = grade};
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(f.text, sizeof f.text, fmt, ap);
    va_end(ap);
    (void)snprintf(f.fix, sizeof f.fix, "%s", fix ? fix : "");
    tell(d, &f);
}

void doctor_say_fix(struct doctor *d, enum doctor_grade grade, const char *text, const char *fix_fmt, ...)
{
    struct doctor_finding f = {.grade = grade};
    va_list ap;
    va_start(ap, fix_fmt);
    (void)vsnprintf(f.fix, sizeof f.fix, fix_fmt, ap);
    va_end(ap);
    (void)snprintf(f.text, sizeof f.text, "%s", text);
    tell(d, &f);
}

/* ---- Settings ---- */

static bool holds_secrets(const struct config *c)
{
    return strchr(c->database, '@') || strchr(c->proxy_url, '@') || *c->resolver_key || *c->po_tokens ||
           *c->telegram_token || *c->s3_secret_key;
}

static void check_settings(struct doctor *d)
{
    const struct config *c = d->config;
    struct err err = {0};
    struct cidr_address low = {.bits = 32, .bytes = {1}};
    struct cidr_address high = {.bits = 32, .bytes = {223, 255, 255, 254}};
    bool fine = true;
    if (app_check(c, &err) < 0) {
        doctor_say(d, DOCTOR_FAIL, "sluice config --check", "%s", err.text);
        fine = false;
    }
    if (cidr_list_has(c->trusted_proxies, &low) && cidr_list_has(c->trusted_proxies, &high)) {
        doctor_say(d, DOCTOR_FAIL, "trusted_proxies = 127.0.0.1",
                   "trusted_proxies trusts everybody: any client can pass for any other");
        fine = false;
    }
    if (strcmp(c->anonymous, "on") == 0 && c->rate_anonymous == 0) {
        doctor_say(d, DOCTOR_WARN, "rate_anonymous = 600", "anybody may ask as often as they like");
        fine = false;
    }
    if (strcmp(c->sandbox, "off") == 0) {
        doctor_say(d, DOCTOR_WARN, "sandbox = on", "the sandbox is switched off");
        fine = false;
    }
    if (c->max_active > c->max_connections) {
        doctor_say(d, DOCTOR_WARN, "max_connections = 256",
                   "max_active is more than max_connections, which counts");
        fine = false;
    }
    if (fine)
        doctor_say(d, DOCTOR_OK, NULL, "the settings are in order");
}

/* Whoever has them is who they were given to. */
static void check_cookies(struct doctor *d)
{
    struct stat st;
    char text[512];
    const char *dir = d->config->cookies_dir;
    if (!*dir)
        return;
    if (stat(dir, &st) < 0) {
        (void)snprintf(text, sizeof text, "cookies_dir %s: %s", dir, strerror(errno));
        doctor_say_fix(d, DOCTOR_WARN, text, "install -d -m 700 %s", dir);
    } else if (st.st_mode & S_IRWXO) {
        (void)snprintf(text, sizeof text, "cookies_dir %s is open to everybody", dir);
        doctor_say_fix(d, DOCTOR_FAIL, text, "chmod -R o-rwx %s", dir);
    }
}

static void check_settings_file(struct doctor *d)
{
    struct stat st;
    char text[512];
    const char *file = d->opts->config_file ? d->opts->config_file : config_path();
    if (!file) {
        doctor_say(d, DOCTOR_OK, NULL, "there is none: defaults and the environment");
    } else if (stat(file, &st) < 0) {
        (void)snprintf(text, sizeof text, "%s: %s", file, strerror(errno));
        doctor_say_fix(d, DOCTOR_FAIL, text, "sluice config --example > %s", file);
    } else if (st.st_mode & (S_IWGRP | S_IWOTH)) {
        (void)snprintf(text, sizeof text, "%s can be written by others than its owner", file);
        doctor_say_fix(d, DOCTOR_FAIL, text, "chmod go-w %s", file);
    } else if ((st.st_mode & S_IROTH) && holds_secrets(d->config)) {
        (void)snprintf(text, sizeof text,
                       "%s can be read by everybody, and there are passwords among the settings", file);
        doctor_say_fix(d, DOCTOR_FAIL, text, "chmod o-r %s", file);
    } else {
        doctor_say(d, DOCTOR_OK, NULL, "%s", file);
    }
    check_cookies(d);
}

/* ---- Database ---- */

static void check_database(struct doctor *d)
{
    const struct config *c = d->config;
    struct store_about about = {.is_file = true};
    struct err err = {0};
    if (store_look(*c->database ? c->database : c->data_dir, &about, &err) < 0) {
        if (err.code == ERR_NOT_FOUND)
            doctor_say(d, DOCTOR_OK, NULL, "none yet: the programs make it when they start");
        else
            doctor_say(d, DOCTOR_FAIL, "sluice db check", "%s", err.text);
    } else if (about.missing > 0) {
        doctor_say(d, DOCTOR_WARN, "sluice db migrate", "%s: its schema is not up to date", about.name);
    } else {
        doctor_say(d, DOCTOR_OK, NULL, "%s: schema %lld", about.name, (long long)about.version);
    }
}

/* ---- Limits of the process ---- */

enum { FDS_PER_STREAM = 2, FDS_BESIDE = 256 };

/* "Max open files            1024                 1048576              files": the first number; 0: unknown.
 */
static uint64_t open_files_of(const char *pid)
{
    static const char name[] = "Max open files";
    char path[64];
    uint64_t n = 0;
    struct err ignored;
    auto_(buf) struct buf text = BUF_INIT(16384);
    (void)snprintf(path, sizeof path, "/proc/%.20s/limits", pid);
    if (io_read_file(path, &text, &ignored) < 0)
        return 0;
    const char *line = strstr(buf_str(&text), name);
    if (line) {
        line += strlen(name);
        line += strspn(line, " ");
        (void)text_parse_u64n(line, strcspn(line, " "), 0, UINT64_MAX, &n);
    }
    return n;
}

static bool is_called(const char *pid, const char *name)
{
    char path[64];
    struct err ignored;
    auto_(buf) struct buf text = BUF_INIT(64);
    (void)snprintf(path, sizeof path, "/proc/%.20s/comm", pid);
    return io_read_file(path, &text, &ignored) == 0 && text_starts_with(buf_str(&text), name) &&
           buf_str(&text)[strlen(name)] == '\n';
}

/* The least of all running stream.fcgi; 0: none runs, as far as we see. */
static uint64_t open_files_of_streams(void)
{
    uint64_t least = 0;
    DIR *dir = opendir("/proc");
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        if (e->d_name[strspn(e->d_name, "0123456789")] != '\0' || !is_called(e->d_name, "stream.fcgi"))
            continue;
        uint64_t n = open_files_of(e->d_name);
        if (n && (!least || n < least))
            least = n;
    }
    if (dir)
        (void)closedir(dir);
    return least;
}

static void check_limits(struct doctor *d)
{
    char text[256];
    struct rlimit own = {0};
    uint64_t need = (uint64_t)d->config->max_connections * FDS_PER_STREAM + FDS_BESIDE;
    uint64_t has = open_files_of_streams();
    bool runs = has != 0;
    if (!runs && getrlimit(RLIMIT_NOFILE, &own) == 0)
        has = own.rlim_max; /* `sluice serve` raises its own to that; elsewhere whoever starts the programs */
    (void)snprintf(text, sizeof text, "%s may open %llu files; max_connections = %lld takes %llu",
                   runs ? "stream.fcgi" : "a program started from here", (unsigned long long)has,
                   (long long)d->config->max_connections, (unsigned long long)need);
    if (has >= need)
        doctor_say(d, DOCTOR_OK, NULL, "%s", text);
    else
        doctor_say_fix(d, DOCTOR_WARN, text, "LimitNOFILE=%llu (systemd), or: ulimit -n %llu",
                       (unsigned long long)need, (unsigned long long)need);
}

/* ---- Programs ---- */

static void check_programs(struct doctor *d)
{
    static const struct {
        const char *name, *lacking;
        enum doctor_grade grade;
    } programs[] = {
        {"info.fcgi", "nothing is answered", DOCTOR_FAIL},
        {"stream.fcgi", "nothing is sent", DOCTOR_FAIL},
        {"admin.fcgi", "the admin pages do not work", DOCTOR_WARN},
        {"sluice-keep", "player scripts are not run, and some of YouTube's clients not asked", DOCTOR_WARN},
        {"sluice-js", "player scripts are not run, and some of YouTube's clients not asked", DOCTOR_WARN},
        {"sluice-dlp", "yt-dlp is not asked", DOCTOR_WARN},
    };
    char own[PATH_MAX] = "";
    const char *dir = d->opts->programs ? d->opts->programs : own;
    if (!d->opts->programs && readlink("/proc/self/exe", own, sizeof own - 1) > 0)
        *strrchr(own, '/') = '\0';
    bool fine = *dir;
    if (!fine)
        doctor_say(d, DOCTOR_WARN, "make install", "the programs are not where this one looks for them");
    for (size_t i = 0; *dir && i < ARRAY_LEN(programs); i++) {
        char path[PATH_MAX + 16];
        (void)snprintf(path, sizeof path, "%s/%s", dir, programs[i].name);
        if (access(path, X_OK) == 0)
            continue;
        fine = false;
        doctor_say(d, programs[i].grade, "make install", "%s: %s: %s", path, strerror(errno),
                   programs[i].lacking);
    }
    if (fine)
        doctor_say(d, DOCTOR_OK, NULL, "%s: all there", dir);
}

static void check_yt_dlp(struct doctor *d)
{
    const struct config *c = d->config;
    if (!strstr(c->engines, "yt-dlp"))
        doctor_say(d, DOCTOR_OK, NULL, "not among the engines");
    else if (*c->ytdlp_path && access(c->ytdlp_path, R_OK) < 0)
        doctor_say(d, DOCTOR_WARN, "ytdlp_path = (where it is; empty: the installed one)",
                   "ytdlp_path %s: %s", c->ytdlp_path, strerror(errno));
    else if (app_has_ytdlp(c))
        doctor_say(d, DOCTOR_OK, NULL, "%s, run by %s", *c->ytdlp_path ? c->ytdlp_path : "installed",
                   c->ytdlp_python);
    else /* nothing else depends on it */
        doctor_say(d, DOCTOR_OK, NULL, "not installed: sites other than YouTube are not read by it");
}

/* What stands in force, or would, were it right: processes keep to the last good state of it. */
static void check_client_data(struct doctor *d)
{
    struct err err = {.code = ERR_OK};
    char path[PATH_MAX];
    bool wrong = false;
    const struct config *c = d->config;
    auto_ptr(clients) struct clients *clients = NULL;
    auto_(buf) struct buf text = BUF_INIT(CLIENTS_MAX_BYTES);
    (void)snprintf(path, sizeof path, "%s%s", *c->clients_file ? c->clients_file : c->data_dir,
                   *c->clients_file ? "" : "/clients.json");
    if (!*c->clients_file && access(path, F_OK) < 0)
        doctor_say(d, DOCTOR_OK, NULL, "the built-in ones");
    else if (io_read_file(path, &text, &err) < 0 ||
             clients_parse(&clients, buf_str(&text), text.len, &err) < 0)
        wrong = true;
    else
        doctor_say(d, DOCTOR_OK, NULL, "%s", path);
    if (wrong && *c->clients_file)
        doctor_say(d, DOCTOR_WARN, "clients_file =", "%s", err.text);
    else if (wrong)
        doctor_say_fix(d, DOCTOR_WARN, err.text, "rm %s", path);
}

static void check_libraries(struct doctor *d)
{
    auto_(buf) struct buf text = BUF_INIT(512);
    store_library_versions(&text);
    (void)buf_adds(&text, ", ");
    net_library_versions(&text);
    (void)buf_adds(&text, ", ");
    media_library_versions(&text);
    doctor_say(d, DOCTOR_OK, NULL, "Sluice %s with %s", SLUICE_VERSION, buf_str(&text));
}

/* ---- Sandbox ---- */

/* It cannot be left again, so a child tries what the programs will enter. */
static bool try_sandbox(struct doctor *d, struct sandbox *got)
{
    const struct sandbox_path paths[] = {{d->config->data_dir, SANDBOX_WRITE}};
    const struct sandbox_opts opts = {.paths = paths, .path_count = ARRAY_LEN(paths)};
    int ends[2];
    int status = 0;
    if (pipe(ends) < 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        sandbox_enter(got, &opts);
        _exit(write(ends[1], got, sizeof *got) == (ssize_t)sizeof *got ? 0 : 1);
    }
    (void)close(ends[1]);
    bool told = child > 0 && read(ends[0], got, sizeof *got) == (ssize_t)sizeof *got;
    (void)close(ends[0]);
    if (child > 0)
        (void)waitpid(child, &status, 0);
    return told;
}

static void check_sandbox(struct doctor *d)
{
    struct sandbox got = {0};
    if (d->opts->sandbox)
        got = *d->opts->sandbox;
    else if (!try_sandbox(d, &got))
        (void)snprintf(got.missing, sizeof got.missing, "it could not be tried: %s", strerror(errno));
    if (!*got.missing) {
        doctor_say(d, DOCTOR_OK, NULL, "%s", sandbox_level(&got));
        return;
    }
    bool required = strcmp(d->config->sandbox, "required") == 0;
    doctor_say(d, required ? DOCTOR_FAIL : DOCTOR_WARN,
               got.layers & SANDBOX_LANDLOCK
                   ? "a kernel with CONFIG_SECCOMP_FILTER"
                   : "Linux 5.13 or newer, booted with lsm=landlock,… among its options",
               "only %s: %s", sandbox_level(&got), got.missing);
}

/* ---- All ---- */

struct net *doctor_net(struct doctor *d, struct err *err)
{
    struct net_opts opts = app_net_opts(d->config);
    opts.connect_ms = opts.timeout_ms = DOCTOR_ASK_MS;
    opts.stall_s = DOCTOR_ASK_MS / 1000;
    if (!d->net && net_open(&d->net, &opts, err) < 0)
        d->net = NULL;
    return d->net;
}

enum doctor_grade doctor_run(const struct doctor_opts *opts,
                             void (*each)(void *ctx, const struct doctor_finding *finding), void *ctx)
{
    static const struct {
        const char *name;
        doctor_check_fn *run;
        bool outside; /* asks what a confined program cannot reach */
    } checks[] = {
        {"settings", check_settings, false},
        {"settings_file", check_settings_file, false},
        {"data_dir", doctor_data_dir, false},
        {"owners", doctor_owners, false},
        {"sockets", doctor_sockets, false}, /* by which the web server is found */
        {"docroot", doctor_docroot, false},
        {"file_system", doctor_file_system, false},
        {"disk", doctor_disk, false},
        {"database", check_database, false},
        {"programs", check_programs, false},
        {"limits", check_limits, false},
        {"sandbox", check_sandbox, false},
        {"web_server", doctor_web, true},
        {"web_server_file", doctor_server_file, true},
        {"upstream", doctor_upstream, false},
        {"telegram", doctor_telegram, false},
        {"s3", doctor_s3, false},
        {"yt_dlp", check_yt_dlp, false},
        {"client_data", check_client_data, false},
        {"libraries", check_libraries, false},
    };
    struct doctor d = {.opts = opts, .config = opts->config, .each = each, .ctx = ctx};
    if (opts->url && text_copy(d.url, sizeof d.url, opts->url) == 0) {
        for (size_t n = strlen(d.url); n && d.url[n - 1] == '/'; n--)
            d.url[n - 1] = '\0';
    }
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        d.check = checks[i].name;
        if (!opts->confined || !checks[i].outside)
            checks[i].run(&d);
    }
    net_close(d.net);
    return d.worst;
}
