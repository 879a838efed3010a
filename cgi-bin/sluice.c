/* sluice: the command line. `sluice help` lists the commands. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin_user.h"
#include "base/config.h"
#include "base/text.h"
#include "cache.h"
#include "clients.h"
#include "common.h"
#include "db.h"
#include "doctor.h"
#include "extract.h"
#include "gc.h"
#include "jobs.h"
#include "key.h"
#include "manual.h"
#include "serve/app.h"
#include "setting.h"
#include "snippet.h"
#include "streams.h"
#include "supervise.h"
#include "token.h"
#include "tool.h"
#include "usage.h"

static const char usage[] =
    "usage: sluice COMMAND\n"
    "  serve [--port N] [--address A] [--data-dir DIR] [--docroot DIR]\n"
    "                      serve on http://127.0.0.1:8080 with lighttpd, in the foreground\n"
    "  hold info.fcgi|stream.fcgi|admin.fcgi\n"
    "                      run it on the socket that is descriptor 0, for systemd; SIGHUP replaces it\n" KEY_USAGE
        EXTRACT_USAGE CLIENTS_USAGE CANARY_USAGE TOKEN_USAGE ADMIN_USAGE JOBS_USAGE DOCTOR_USAGE DB_USAGE
            CACHE_USAGE GC_USAGE USAGE_USAGE SETTING_USAGE "  config --check [FILE] [--json]\n"
    "                      check the configuration (also: sluice --check-config [FILE])\n"
    "  config --example    print a configuration file with every key; --man: its manual\n"
    "  snippet [--json]    list what there is for web servers and systemd\n"
    "  snippet NAME [--prefix /FOLDER] [--docroot DIR] [--programs DIR] [--run-dir DIR]\n"
    "          [--address A] [--port N] [--config FILE] [--sluice FILE]\n"
    "                      print it with these values\n" STREAMS_USAGE
    "  version [--json]    print the version\n"
    "  help [--man]        print this list; as a manual\n";

static int misuse(const char *what)
{
    fprintf(stderr, "sluice: %s\n%s", what, usage);
    return 2;
}

/* Where this program lies; the others and the pages are found from there. */
static int own_directory(char *out, size_t room)
{
    ssize_t n = readlink("/proc/self/exe", out, room - 1);
    if (n <= 0)
        return -1;
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (!slash)
        return -1;
    *slash = '\0';
    return 0;
}

/* The first of the candidates (relative to `own`) that exists, as an absolute path in `out`. */
static int find_near(const char *own, const char *const *candidates, char out[PATH_MAX])
{
    for (; *candidates; candidates++) {
        char path[PATH_MAX * 2];
        (void)snprintf(path, sizeof path, "%s/%s", own, *candidates);
        if (access(path, R_OK) == 0 && realpath(path, out))
            return 0;
    }
    return -1;
}

/* Beside the checkout's build/, or where `make install` puts things. */
static const char *const docroots[] = {"../www", "../share/sluice/www", "../../www", NULL};
static const char *const programs[] = {"info.fcgi", "../lib/sluice/cgi-bin/info.fcgi", NULL};

static int serve(int argc, char **argv)
{
    struct supervise_opts opts = {.address = "127.0.0.1", .port = 8080};
    struct err err = {0};
    auto_(config) struct config config = {0};
    char own[PATH_MAX];
    char docroot[PATH_MAX];
    char program[PATH_MAX];
    char data_dir[PATH_MAX];
    for (int i = 0; i < argc; i += 2) { /* option, value */
        uint64_t port;
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!value)
            return misuse("an option lacks its value");
        if (strcmp(argv[i], "--port") == 0) {
            if (text_parse_u64(value, 1, 65535, &port) < 0)
                return misuse("--port takes a number from 1 to 65535");
            opts.port = (unsigned)port;
        } else if (strcmp(argv[i], "--address") == 0) {
            opts.address = value;
        } else if (strcmp(argv[i], "--data-dir") == 0) {
            if (*value == '/')
                (void)snprintf(data_dir, sizeof data_dir, "%s", value);
            else if (!getcwd(own, sizeof own) ||
                     snprintf(data_dir, sizeof data_dir, "%s/%s", own, value) >= (int)sizeof data_dir)
                return misuse("--data-dir is too long");
            opts.data_dir = data_dir;
        } else if (strcmp(argv[i], "--docroot") == 0) {
            opts.docroot = value;
        } else {
            return misuse("unknown option");
        }
    }
    if (opts.data_dir && setenv("SLUICE_DATA_DIR", opts.data_dir, 1) < 0)
        return misuse("out of memory");
    if (config_load(&config, NULL, &err) < 0) {
        fprintf(stderr, "sluice: %s\n", err.text);
        return 1;
    }
    opts.data_dir = config.data_dir;
    opts.sends_files = strcmp(config.sendfile, "off") != 0;
    if (own_directory(own, sizeof own) < 0 || find_near(own, programs, program) < 0)
        return misuse("cannot find info.fcgi near this program");
    *strrchr(program, '/') = '\0';
    opts.programs = program;
    if (!opts.docroot) {
        if (find_near(own, docroots, docroot) < 0)
            return misuse("cannot find the pages: give --docroot");
        opts.docroot = docroot;
    }
    admin_first(&config);
    return supervise(&opts);
}

static int hold(int argc, char **argv)
{
    char own[PATH_MAX];
    char program[PATH_MAX];
    if (argc != 1 || !supervise_holds(argv[0]))
        return misuse("hold takes info.fcgi, stream.fcgi or admin.fcgi");
    if (own_directory(own, sizeof own) < 0 || find_near(own, programs, program) < 0)
        return misuse("cannot find info.fcgi near this program");
    *strrchr(program, '/') = '\0';
    return supervise_held(program, argv[0]);
}

static int snippet_names(void)
{
    auto_(buf) struct buf lines = BUF_INIT(65536);
    json_t *array = json_array();
    if (snippet_list(&lines) < 0)
        return TOOL_FAILED;
    for (char *rest = lines.data, *name; (name = strsep(&rest, "\n")) && *name;)
        (void)json_array_append_new(array, json_string(name));
    return tool_print_json(array);
}

/* Fills in what was not said: the pages and programs near this one. */
static int snippet_command(int argc, char **argv)
{
    struct err err = {0};
    auto_(buf) struct buf out = BUF_INIT(65536);
    char own[PATH_MAX];
    char docroot[PATH_MAX] = "/usr/local/share/sluice/www";
    char program[PATH_MAX] = "/usr/local/lib/sluice/cgi-bin/info.fcgi";
    char sluice[PATH_MAX] = "/usr/local/bin/sluice";
    struct snippet_values values = {.prefix = "",
                                    .docroot = docroot,
                                    .programs = program,
                                    .sluice = sluice,
                                    .run_dir = "/run/sluice",
                                    .address = "127.0.0.1",
                                    .port = "8080",
                                    .outputs = "",
                                    .config = ""};
    const struct {
        const char *option;
        const char **value;
    } options[] = {
        {"--prefix", &values.prefix},   {"--docroot", &values.docroot}, {"--programs", &values.programs},
        {"--run-dir", &values.run_dir}, {"--address", &values.address}, {"--port", &values.port},
        {"--config", &values.config},   {"--sluice", &values.sluice},   {"--outputs", &values.outputs},
    };
    if (argc == 0)
        return snippet_list(&out) < 0 || fputs(buf_str(&out), stdout) < 0;
    if (argc == 1 && strcmp(argv[0], "--json") == 0)
        return snippet_names();
    if (argv[0][0] == '-')
        return misuse("snippet takes a name first");
    if (own_directory(own, sizeof own) == 0) {
        (void)find_near(own, docroots, docroot);
        (void)find_near(own, programs, program);
        (void)snprintf(sluice, sizeof sluice, "%.*s/sluice", PATH_MAX - 16, own);
    }
    *strrchr(program, '/') = '\0';
    for (int i = 1; i < argc; i += 2) { /* option, value */
        size_t which = 0;
        while (which < ARRAY_LEN(options) && strcmp(options[which].option, argv[i]) != 0)
            which++;
        if (which == ARRAY_LEN(options) || i + 1 == argc)
            return misuse("unknown option, or one that lacks its value");
        *options[which].value = argv[i + 1];
    }
    if (snippet_print(&out, argv[0], &values, &err) < 0) {
        (void)tool_failed(&err);
        return err.code == ERR_NOT_FOUND ? TOOL_NONE : TOOL_FAILED;
    }
    return fputs(buf_str(&out), stdout) < 0;
}

/* Where the programs which serve lie; "": not found. */
static void find_programs(char out[PATH_MAX])
{
    char own[PATH_MAX];
    *out = '\0';
    if (own_directory(own, sizeof own) == 0 && find_near(own, programs, out) == 0)
        *strrchr(out, '/') = '\0';
}

/* Player scripts are run by helpers that lie beside them. */
static int extract(int argc, char **argv)
{
    char program[PATH_MAX];
    find_programs(program);
    return extract_command(argc, argv, program);
}

static int canary(int argc, char **argv)
{
    char program[PATH_MAX];
    find_programs(program);
    return canary_command(argc, argv, program);
}

static int doctor(int argc, char **argv)
{
    char program[PATH_MAX];
    find_programs(program);
    return doctor_command(argc, argv, program);
}

static int check_config(const char *path, bool json)
{
    struct err err = {0};
    auto_(config) struct config config = {0};
    if (!json)
        return door_check_config(path);
    bool fine = config_load(&config, path, &err) == 0 && app_check(&config, &err) == 0;
    int rc = tool_print_json(fine ? json_pack("{s:b}", "ok", 1)
                                  : json_pack("{s:b, s:s}", "ok", 0, "error", err.text));
    return rc ? rc : !fine;
}

static int print_text(const struct buf *text, int rc)
{
    return rc < 0 || fputs(buf_str(text), stdout) < 0 ? TOOL_FAILED : TOOL_DONE;
}

static int config_command(int argc, char **argv)
{
    auto_(buf) struct buf text = BUF_INIT(1 << 20);
    bool json = tool_take_json(&argc, argv);
    if (argc >= 1 && argc <= 2 && strcmp(argv[0], "--check") == 0)
        return check_config(argc > 1 ? argv[1] : NULL, json);
    if (argc == 1 && strcmp(argv[0], "--example") == 0)
        return print_text(&text, config_describe(&text));
    if (argc == 1 && strcmp(argv[0], "--man") == 0)
        return print_text(&text, manual_of_settings(&text));
    return misuse("config takes --check, --example or --man");
}

static int old_check_config(int argc, char **argv)
{
    return argc <= 1 ? check_config(argc ? argv[0] : NULL, false) : misuse("--check-config takes one file");
}

static int version(int argc, char **argv)
{
    bool json = tool_take_json(&argc, argv);
    if (argc > 0)
        return misuse("version takes nothing but --json");
    return json ? tool_print_json(json_pack("{s:s}", "version", SLUICE_VERSION)) : puts(SLUICE_VERSION) < 0;
}

static int help(int argc, char **argv)
{
    auto_(buf) struct buf text = BUF_INIT(1 << 20);
    if (argc == 0)
        return fputs(usage, stdout) < 0;
    if (argc == 1 && strcmp(argv[0], "--man") == 0)
        return print_text(&text, manual_of_commands(&text, usage));
    return misuse("help takes nothing but --man");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv); /* what follows the name; the exit code */
    } commands[] = {
        {"serve", serve},
        {"hold", hold},
        {"key", key_command},
        {"extract", extract},
        {"clients", clients_command},
        {"canary", canary},
        {"token", token_command},
        {"jobs", jobs_command},
        {"admin", admin_command},
        {"doctor", doctor},
        {"db", db_command},
        {"usage", usage_command},
        {"cache", cache_command},
        {"gc", gc_command},
        {"setting", setting_command},
        {"maintenance", maintenance_command},
        {"config", config_command},
        {"snippet", snippet_command},
        {"streams", streams_command},
        {"version", version},
        {"help", help},
        {"--check-config", old_check_config},
        {"--version", version},
        {"--help", help},
    };
    const char *name = argc > 1 ? argv[1] : "help";
    int skip = argc > 1 ? 2 : 1;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc - skip, argv + skip);
    }
    return misuse("unknown command");
}
