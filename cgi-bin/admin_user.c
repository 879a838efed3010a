/* See admin_user.h. */
#include "admin_user.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "store/admin.h"
#include "store/second_factor.h"
#include "tool.h"

enum { RANDOM_BYTES = 15 };

struct wish {
    const char *name;
    bool may_change, json;
};

static int misuse(const char *what)
{
    return tool_misuse(what, ADMIN_USAGE);
}

static int make_password(char *out, size_t room)
{
    uint8_t secret[RANDOM_BYTES];
    auto_(buf) struct buf text = BUF_INIT(64);
    hash_random(secret, sizeof secret);
    if (hash_base64url(&text, secret, sizeof secret) < 0)
        return -1;
    (void)snprintf(out, room, "%s", buf_str(&text));
    return 0;
}

/* *made: it has to be shown. */
static int read_password(char *out, size_t room, bool *made)
{
    out[0] = '\0';
    if (!isatty(STDIN_FILENO) && fgets(out, (int)room, stdin))
        out[strcspn(out, "\r\n")] = '\0';
    *made = !*out;
    return *made ? make_password(out, room) : 0;
}

static int done(const struct wish *w, const char *password, bool made)
{
    if (w->json)
        return tool_print_json(json_pack("{s:s, s:s?}", "name", w->name, "password", made ? password : NULL));
    if (made)
        printf("password of %s: %s\n", w->name, password);
    else
        printf("%s: done\n", w->name);
    return TOOL_DONE;
}

static int create(struct store *store, const struct wish *w)
{
    char password[STORE_ADMIN_PASSWORD_MAX + 2];
    bool made;
    struct err err = {0};
    if (read_password(password, sizeof password, &made) < 0)
        return TOOL_FAILED;
    int rc = store_admin_create(store, w->name, password, w->may_change, &err);
    if (rc == 0)
        (void)err_set(&err, ERR_INTERNAL, "%s is there already", w->name);
    return rc == 1 ? done(w, password, made) : tool_failed(&err);
}

static int change(struct store *store, const struct wish *w)
{
    char password[STORE_ADMIN_PASSWORD_MAX + 2];
    bool made;
    struct err err = {0};
    if (read_password(password, sizeof password, &made) < 0)
        return TOOL_FAILED;
    int rc = store_admin_set_password(store, w->name, password, NULL, &err);
    if (rc == 0)
        fprintf(stderr, "sluice: nobody is called %s\n", w->name);
    return rc == 1 ? done(w, password, made) : rc == 0 ? TOOL_NONE : tool_failed(&err);
}

static int switch_off(struct store *store, const struct wish *w)
{
    struct err err = {0};
    int rc = store_totp_off(store, w->name, &err);
    if (rc == 0)
        fprintf(stderr, "sluice: nobody of that name has a second factor\n");
    return rc == 1 ? done(w, "", false) : rc == 0 ? TOOL_NONE : tool_failed(&err);
}

static void add_user(void *ctx, const struct store_admin *who)
{
    const char *role = who->may_change ? "admin" : "viewer";
    if (ctx)
        (void)json_array_append_new(
            ctx, json_pack("{s:s, s:s, s:b}", "name", who->name, "role", role, "active", who->active));
    else
        printf("%-20s  %-6s  %s\n", who->name, role, who->active ? "active" : "disabled");
}

static int list(struct store *store, const struct wish *w)
{
    struct err err = {0};
    json_t *users = w->json ? json_array() : NULL;
    if (store_admin_list(store, add_user, users, &err) < 0) {
        json_decref(users);
        return tool_failed(&err);
    }
    return users ? tool_print_json(users) : TOOL_DONE;
}

int admin_command(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct store *store, const struct wish *w);
        bool named;
    } commands[] = {{"list", list, false},
                    {"create", create, true},
                    {"passwd", change, true},
                    {"totp-off", switch_off, true}};
    struct err err = {0};
    struct wish w = {.may_change = true, .json = tool_take_json(&argc, argv)};
    auto_(config) struct config config = {0};
    auto_ptr(store) struct store *store = NULL;
    size_t which = 0;
    while (argc && which < ARRAY_LEN(commands) && strcmp(commands[which].name, argv[0]) != 0)
        which++;
    if (!argc || which == ARRAY_LEN(commands))
        return misuse("admin takes list, create, passwd or totp-off");
    bool has_role = argc == 4 && commands[which].run == create && strcmp(argv[2], "--role") == 0;
    if (argc != (commands[which].named ? 2 : 1) && !has_role)
        return misuse(commands[which].named ? "admin: one name" : "admin list takes nothing but --json");
    w.name = commands[which].named ? argv[1] : NULL;
    if (has_role && strcmp(argv[3], "viewer") == 0)
        w.may_change = false;
    else if (has_role && strcmp(argv[3], "admin") != 0)
        return misuse("--role takes admin or viewer");
    if (config_load(&config, NULL, &err) < 0 || hash_init(&err) < 0 ||
        store_open(&store, *config.database ? config.database : config.data_dir, &err) < 0)
        return tool_failed(&err);
    return commands[which].run(store, &w);
}

static int make_first(const struct config *config)
{
    struct err err = {0};
    char made[64];
    const char *password = config->admin_password;
    auto_ptr(store) struct store *store = NULL;
    if (hash_init(&err) < 0 ||
        store_open(&store, *config->database ? config->database : config->data_dir, &err) < 0)
        return tool_failed(&err);
    int rc = store_admin_exists(store, &err);
    if (rc != 0)
        return rc < 0 ? tool_failed(&err) : TOOL_DONE;
    if (!*password && make_password(made, sizeof made) < 0)
        return TOOL_FAILED;
    rc = store_admin_create(store, "admin", *password ? password : made, true, &err);
    if (rc < 0)
        return tool_failed(&err);
    if (rc == 1)
        printf("admin password: %s\n", *password ? "as admin_password says" : made);
    return TOOL_DONE;
}

void admin_first(const struct config *config)
{
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int rc = make_first(config);
        (void)fflush(stdout);
        _exit(rc);
    }
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
}
