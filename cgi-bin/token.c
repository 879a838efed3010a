/* See token.h. */
#include "token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/hash.h"
#include "serve/token.h"
#include "tool.h"

enum { TOKEN_TEXT_MAX_BYTES = 16384 };

struct wish {
    const char *what; /* a link or an id; NULL: none */
    bool forget, json;
};

static int misuse(const char *what)
{
    return tool_misuse(what, TOKEN_USAGE);
}

static int failed(const struct err *err)
{
    (void)tool_failed(err);
    return err->code == ERR_TOKEN_INVALID || err->code == ERR_TOKEN_EXPIRED ? TOOL_NONE : TOOL_FAILED;
}

/* ---- Keys ---- */

static json_t *key_json(const struct store_token_key *key, bool seals)
{
    char created[24];
    clock_format_utc(key->created_unix_s, created, sizeof created);
    return json_pack("{s:I, s:s, s:b}", "id", (json_int_t)key->id, "created_at", created, "seals", seals);
}

static void print_key(const struct store_token_key *key, bool seals)
{
    char created[24];
    clock_format_utc(key->created_unix_s, created, sizeof created);
    printf("%10u  %s  %s\n", (unsigned)key->id, created, seals ? "seals" : "opens");
}

static int list(struct app *app, const struct wish *w)
{
    struct err err = {0};
    struct store_token_key *keys = NULL;
    size_t count = 0;
    if (store_token_key_list(app->store, &keys, &count, &err) < 0)
        return failed(&err);
    json_t *array = w->json ? json_array() : NULL;
    for (size_t i = 0; i < count; i++) {
        if (array)
            (void)json_array_append_new(array, key_json(&keys[i], i == 0));
        else
            print_key(&keys[i], i == 0);
    }
    free(keys);
    return array ? tool_print_json(array) : 0;
}

static int rotate(struct app *app, const struct wish *w)
{
    struct err err = {0};
    struct store_token_key key;
    if (store_token_key_rotate(app->store, w->forget, &key, &err) < 0)
        return failed(&err);
    if (w->json)
        return tool_print_json(key_json(&key, true));
    print_key(&key, true);
    return 0;
}

/* ---- Links ---- */

/* Appends the token of a link: what stands behind `data=`, or all of it. */
static int token_of(const char *link, struct buf *out)
{
    const char *data = strstr(link, "data=");
    const char *token = data ? data + strlen("data=") : link;
    return buf_add(out, token, strcspn(token, "&#"));
}

static bool is_id(const char *text)
{
    return strlen(text) == STORE_TOKEN_ID_LEN && strspn(text, "0123456789abcdef") == STORE_TOKEN_ID_LEN;
}

static int print_token(const struct wish *w, const struct token *t)
{
    char expires[24];
    clock_format_utc(t->expires_unix_s, expires, sizeof expires);
    if (w->json)
        return tool_print_json(json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:b}", "id", t->id, "link",
                                         t->link, "choice", t->choice, "key", t->key_id, "expires_at",
                                         expires, "single_use", t->once, "delivered",
                                         t->mark.done_unix_s != 0, "bound_to_address", *t->address != '\0'));
    printf("id:      %s\nlink:    %s\nchoice:  %s\nexpires: %s\n", t->id, t->link, t->choice, expires);
    if (*t->key_id)
        printf("key:     %s\n", t->key_id);
    if (t->once)
        printf("for one delivery%s\n", t->mark.done_unix_s ? ", which is over" : "");
    if (*t->address)
        puts("for one address");
    return 0;
}

static int show(struct app *app, const struct wish *w)
{
    struct err err = {0};
    auto_(token) struct token t = {0};
    auto_(buf) struct buf text = BUF_INIT(TOKEN_TEXT_MAX_BYTES);
    if (token_of(w->what, &text) < 0)
        return misuse("the link is too long");
    return token_read(app, buf_str(&text), NULL, &t, &err) < 0 ? failed(&err) : print_token(w, &t);
}

static int revoke(struct app *app, const struct wish *w)
{
    struct err err = {0};
    auto_(token) struct token t = {0};
    auto_(buf) struct buf text = BUF_INIT(TOKEN_TEXT_MAX_BYTES);
    const char *id = w->what;
    int64_t until_unix_s = clock_unix_s() + app->config.token_ttl_s;
    if (!is_id(w->what)) {
        if (token_of(w->what, &text) < 0)
            return misuse("the link is too long");
        if (token_read(app, buf_str(&text), NULL, &t, &err) < 0)
            return failed(&err);
        id = t.id;
        until_unix_s = t.expires_unix_s;
    }
    if (store_token_revoke(app->store, id, until_unix_s, &err) < 0)
        return failed(&err);
    if (w->json)
        return tool_print_json(json_pack("{s:s, s:b}", "id", id, "revoked", 1));
    printf("%s is revoked\n", id);
    return 0;
}

static int read_wish(int argc, char **argv, struct wish *w)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--forget") == 0)
            w->forget = true;
        else if (argv[i][0] == '-' || w->what)
            return misuse("unknown option, or more than one link");
        else
            w->what = argv[i];
    }
    return TOOL_DONE;
}

int token_command(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct app *app, const struct wish *w);
        bool takes_link, takes_forget;
    } commands[] = {{"list", list, false, false},
                    {"rotate", rotate, false, true},
                    {"show", show, true, false},
                    {"revoke", revoke, true, false}};
    struct err err = {0};
    struct wish wish = {0};
    struct app app = {0};
    size_t i = 0;
    wish.json = tool_take_json(&argc, argv);
    while (i < ARRAY_LEN(commands) && (argc < 1 || strcmp(argv[0], commands[i].name) != 0))
        i++;
    if (i == ARRAY_LEN(commands))
        return misuse("token takes list, rotate, show or revoke");
    int rc = read_wish(argc - 1, argv + 1, &wish);
    if (rc)
        return rc;
    if (commands[i].takes_link != (wish.what != NULL) || (wish.forget && !commands[i].takes_forget))
        return misuse(commands[i].takes_link ? "which link?" : "too many arguments");
    const struct config *c = &app.config;
    if (config_load(&app.config, NULL, &err) < 0 || hash_init(&err) < 0 ||
        store_open(&app.store, *c->database ? c->database : c->data_dir, &err) < 0)
        rc = failed(&err);
    else
        rc = commands[i].run(&app, &wish);
    store_close(app.store);
    config_fini(&app.config);
    return rc;
}
