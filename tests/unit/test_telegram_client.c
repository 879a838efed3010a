/* serve/telegram: a bot's files, against a server of its own on this machine: framing, places, pauses. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/text.h"
#include "net_origin.h"
#include "serve/telegram.h"

#define BOT "110201543"
static const char secret[] = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

/* What the server is to say, and what it was asked. Guarded by `lock`. */
struct bot_api {
    pthread_mutex_t lock;
    char script[8][512]; /* answers, one after the other; the last one stays. "STATUS BODY" */
    unsigned next, asked;
    char path[8][256], body[8][2048];
};

static bool serve(struct origin *o, struct origin_request *r)
{
    struct bot_api *api = o->ctx;
    (void)pthread_mutex_lock(&api->lock);
    unsigned n = api->asked++ % ARRAY_LEN(api->path);
    (void)snprintf(api->path[n], sizeof api->path[n], "%s", r->path);
    (void)snprintf(api->body[n], sizeof api->body[n], "%.*s", (int)r->body_len, r->body);
    const char *say = api->script[api->next];
    if (api->next + 1 < ARRAY_LEN(api->script) && *api->script[api->next + 1])
        api->next++;
    const char *body = strchr(say, ' ') + 1;
    const char *range = strstr(r->path, "/file/") ? "Content-Range: bytes 0-0/7\r\n" : "";
    origin_sendf(r, "HTTP/1.1 %.3s X\r\n%sContent-Length: %zu\r\n\r\n%s", say, range, strlen(body), body);
    (void)pthread_mutex_unlock(&api->lock);
    return true;
}

struct fixture {
    char dir[64], url[80];
    struct origin *origin;
    struct bot_api api;
    struct net *net;
    struct store *stores[2]; /* of two processes, as it were */
    struct cache *caches[2];
    struct config config;
};

static int set_up(void **state)
{
    static struct fixture f;
    struct err err = {0};
    const struct net_opts opts = {.ports = "80,443", .connect_ms = 2000, .timeout_ms = 5000, .stall_s = 2};
    f = (struct fixture){.dir = "/tmp/sluice-telegram-XXXXXX"};
    *state = &f;
    (void)pthread_mutex_init(&f.api.lock, NULL);
    f.origin = origin_start(serve, &f.api);
    (void)snprintf(f.url, sizeof f.url, "%s/", f.origin->url);
    f.config = (struct config){
        .telegram_api_url = f.url,
        .telegram_token = strdup(BOT ":AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"),
        .telegram_chat = strdup("@channel"),
        .telegram_upload_max = 100,
        .telegram_download_max = 50,
    };
    if (!mkdtemp(f.dir) || net_open(&f.net, &opts, &err) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        if (store_open(&f.stores[i], f.dir, &err) < 0 ||
            cache_open(&f.caches[i], f.stores[i], f.dir, &err) < 0)
            return -1;
    }
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[128];
    for (int i = 0; i < 2; i++) {
        cache_close(f->caches[i]);
        store_close(f->stores[i]);
    }
    net_close(f->net);
    origin_stop(f->origin);
    free(f->config.telegram_token);
    free(f->config.telegram_chat);
    (void)snprintf(command, sizeof command, "rm -rf %s", f->dir);
    return system(command); // NOLINT(cert-env33-c): a path of ours
}

static struct telegram bot_of(struct fixture *f, int process)
{
    struct telegram t;
    struct err err = {0};
    assert_int_equal(telegram_init(&t, &f->config, f->net, f->stores[process], f->caches[process], &err), 1);
    return t;
}

/* The server's answers from now on, and nothing asked yet. */
static void script(struct fixture *f, const char *const *answers)
{
    (void)pthread_mutex_lock(&f->api.lock);
    memset(f->api.script, 0, sizeof f->api.script);
    for (size_t i = 0; answers[i]; i++)
        (void)snprintf(f->api.script[i], sizeof f->api.script[i], "%s", answers[i]);
    f->api.next = f->api.asked = 0;
    (void)pthread_mutex_unlock(&f->api.lock);
}
#define SCRIPT(f, ...) script((f), (const char *const[]){__VA_ARGS__, NULL})

#define SENT(id, size)                                                                                       \
    "200 {\"ok\":true,\"result\":{\"message_id\":9,\"video\":{\"file_id\":\"" id "\",\"file_size\":" size    \
    "}}}"
#define PLACE(path) "200 {\"ok\":true,\"result\":{\"file_path\":\"" path "\"}}"
#define DONE        "200 {\"ok\":true,\"result\":true}"
#define GONE        "400 {\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: invalid file_id\"}"
#define FLOOD                                                                                                \
    "429 {\"ok\":false,\"error_code\":429,\"description\":\"Too Many Requests: retry after 2\","             \
    "\"parameters\":{\"retry_after\":2}}"
#define UNKNOWN "401 {\"ok\":false,\"error_code\":401,\"description\":\"Unauthorized\"}"

static void assert_secret(const struct err *err)
{
    assert_null(strstr(err->text, secret));
}

/* ---- Sending ---- */

/* A file, a few bytes at a time. */
struct file {
    const char *left;
};

static int read_file(void *ctx, void *to, size_t room, size_t *got, struct err *err)
{
    struct file *f = ctx;
    (void)err;
    *got = strnlen(f->left, room < 3 ? room : 3);
    memcpy(to, f->left, *got);
    f->left += *got;
    return 0;
}

static int send_file(struct fixture *f, const char *bytes, uint64_t length, struct telegram_file *out,
                     struct err *err)
{
    struct telegram t = bot_of(f, 0);
    struct file file = {bytes};
    const struct telegram_upload upload = {.name = "a.mp4", .mime = "video/mp4", .length = length};
    const struct telegram_bytes read = {read_file, &file, NULL};
    *err = (struct err){0};
    return telegram_send(&t, &upload, &read, out, err);
}

static void sending(void **state)
{
    struct fixture *f = *state;
    struct telegram_file file;
    struct err err;
    SCRIPT(f, SENT("abc", "7"));
    assert_int_equal(send_file(f, "1234567", 7, &file, &err), 0);
    assert_string_equal(file.id, "abc");
    assert_int_equal(file.message, 9);
    assert_string_equal(f->api.path[0], "/bot" BOT ":AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/sendVideo");
    const char *bytes = strstr(f->api.body[0], "Content-Type: video/mp4\r\n\r\n1234567\r\n--");
    assert_non_null(bytes);
    assert_true(text_ends_with(bytes, "--\r\n"));

    SCRIPT(f, SENT("abc", "8"), DONE); /* not what was sent: it does not stay */
    assert_int_equal(send_file(f, "1234567", 7, &file, &err), -1);
    assert_int_equal(err.code, ERR_UPSTREAM_FAILED);
    assert_true(text_ends_with(f->api.path[1], "/deleteMessage"));
    assert_string_equal(f->api.body[1], "{\"chat_id\":\"@channel\",\"message_id\":9}");

    SCRIPT(f, SENT("abc", "7"));
    assert_int_equal(send_file(f, "123", 7, &file, &err), -1); /* the source ends early */
    assert_int_equal(err.code, ERR_SOURCE_CHANGED);
    assert_int_equal(f->api.asked, 0);
}

/* ---- Places ---- */

static int locate_again(struct fixture *f, int process, const char *id, const char *stale, const char *expect,
                        struct err *err)
{
    struct telegram t = bot_of(f, process);
    char url[512];
    auto_(buf) struct buf got = BUF_INIT(TELEGRAM_URL_MAX);
    *err = (struct err){0};
    if (telegram_locate(&t, id, stale, &got, err) < 0)
        return -1;
    (void)snprintf(url, sizeof url, "%s/file/bot" BOT ":%s/%s", f->origin->url, secret, expect);
    assert_string_equal(buf_str(&got), url);
    return 0;
}

static int locate(struct fixture *f, int process, const char *id, const char *expect, struct err *err)
{
    return locate_again(f, process, id, NULL, expect, err);
}

static void places(void **state)
{
    struct fixture *f = *state;
    struct telegram t = bot_of(f, 0);
    struct err err = {0};
    char stale[512];
    assert_string_equal(t.egress, "own");
    SCRIPT(f, PLACE("videos/1"), PLACE("videos/2"), GONE);
    assert_int_equal(locate(f, 0, "abc", "videos/1", &err), 0);
    assert_int_equal(locate(f, 1, "abc", "videos/1", &err), 0); /* the other process knows it, too */
    assert_int_equal(f->api.asked, 1);
    assert_string_equal(f->api.body[0], "{\"file_id\":\"abc\"}");
    (void)snprintf(stale, sizeof stale, "%s/file/bot" BOT ":%s/videos/1", f->origin->url, secret);
    assert_int_equal(locate_again(f, 0, "abc", stale, "videos/2", &err), 0);
    assert_int_equal(locate_again(f, 1, "abc", stale, "videos/2", &err),
                     0); /* that is known to be another by now */
    assert_int_equal(locate_again(f, 1, "abc", "https://elsewhere/", "videos/2", &err), 0);
    assert_int_equal(f->api.asked, 2);
    stale[strlen(stale) - 1] = '2';
    assert_int_equal(locate_again(f, 0, "abc", stale, "", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(locate(f, 0, "other", "", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_secret(&err);
}

static void verifying(void **state)
{
    struct fixture *f = *state;
    struct telegram t = bot_of(f, 0);
    struct err err = {0};
    SCRIPT(f, PLACE("videos/1"), "206 x");
    assert_int_equal(telegram_verify(&t, "a", 7, &err), 0);
    assert_int_equal(telegram_verify(&t, "a", 8, &err), -1); /* of another size */
    SCRIPT(f, PLACE("videos/1"), "404 x");
    assert_int_equal(telegram_verify(&t, "b", 7, &err), -1);
    assert_secret(&err);
    SCRIPT(f, PLACE("videos/1"), "503 x");
    assert_int_equal(telegram_verify(&t, "c", 7, &err), 0); /* not known */
    SCRIPT(f, GONE);
    assert_int_equal(telegram_verify(&t, "d", 7, &err), -1);
}

#define REFUSED(why) "400 {\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: " why "\"}"

static void deleting(void **state)
{
    struct fixture *f = *state;
    struct telegram t = bot_of(f, 0);
    struct err err = {0};
    SCRIPT(f, DONE, REFUSED("message to delete not found"), REFUSED("message can't be deleted"),
           REFUSED("chat not found"), UNKNOWN);
    for (int i = 0; i < 4; i++)
        assert_int_equal(telegram_delete(&t, "-5", 1, &err), 0);
    assert_string_equal(telegram_state(&t), "ok");
    assert_int_equal(telegram_delete(&t, "-5", 1, &err), -1);
    assert_int_equal(err.code, ERR_FORBIDDEN);
    assert_int_equal(f->api.asked, 5);
    assert_string_equal(f->api.body[0], "{\"chat_id\":\"-5\",\"message_id\":1}");
}

/* ---- Pauses ---- */

static void flood(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct telegram_file file;
    struct telegram t = bot_of(f, 1);
    assert_string_equal(telegram_state(&t), "ok");
    SCRIPT(f, FLOOD, PLACE("videos/1"));
    assert_int_equal(locate(f, 0, "a", "", &err), -1);
    assert_int_equal(err.code, ERR_RATE_LIMITED_UPSTREAM);
    assert_int_equal(err.retry_after_s, 2);
    assert_string_equal(telegram_state(&t), "pausing");
    assert_int_equal(locate(f, 1, "b", "", &err), -1); /* by another process, of another file */
    assert_int_equal(err.code, ERR_RATE_LIMITED_UPSTREAM);
    assert_in_range(err.retry_after_s, 1, 2);
    assert_int_equal(send_file(f, "1", 1, &file, &err), -1);
    assert_int_equal(err.code, ERR_RATE_LIMITED_UPSTREAM);
    assert_int_equal(f->api.asked, 1);
    const struct timespec pause = {.tv_sec = 2, .tv_nsec = 100000000};
    (void)nanosleep(&pause, NULL);
    assert_string_equal(telegram_state(&t), "ok");
    assert_int_equal(locate(f, 1, "c", "videos/1", &err), 0);
}

/* What the source asks for is not Telegram's wish. */
static int read_nothing(void *ctx, void *to, size_t room, size_t *got, struct err *err)
{
    (void)ctx;
    (void)to;
    (void)room;
    (void)got;
    (void)err_set(err, ERR_RATE_LIMITED_UPSTREAM, "the site");
    err->retry_after_s = 100;
    return -1;
}

static void source_fails(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct telegram_file file;
    struct telegram t = bot_of(f, 0);
    const struct telegram_upload upload = {.name = "a.mp4", .mime = "video/mp4", .length = 9};
    const struct telegram_bytes read = {read_nothing, NULL, NULL};
    assert_int_equal(telegram_send(&t, &upload, &read, &file, &err), -1);
    assert_string_equal(err.text, "the site");
    assert_string_equal(telegram_state(&t), "ok");
}

static void wrong_token(void **state)
{
    struct fixture *f = *state;
    struct err err;
    SCRIPT(f, UNKNOWN, PLACE("videos/1"));
    assert_int_equal(locate(f, 0, "a", "", &err), -1);
    assert_int_equal(err.code, ERR_FORBIDDEN);
    assert_secret(&err);
    struct telegram t = bot_of(f, 1);
    assert_string_equal(telegram_state(&t), "denied");
    assert_int_equal(locate(f, 1, "b", "", &err), -1);
    assert_int_equal(f->api.asked, 1);
    free(f->config.telegram_token); /* another one is tried at once */
    f->config.telegram_token = strdup("7:other");
    t = bot_of(f, 1);
    auto_(buf) struct buf url = BUF_INIT(TELEGRAM_URL_MAX);
    assert_string_equal(telegram_state(&t), "ok");
    assert_string_equal(t.bot, "7");
    assert_int_equal(telegram_locate(&t, "b", NULL, &url, &err), 0);
    assert_non_null(strstr(buf_str(&url), "/file/bot7:other/videos/1"));
}

static void trying(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct telegram t = bot_of(f, 0);
    auto_(buf) struct buf name = BUF_INIT(64);
    SCRIPT(f, "200 {\"ok\":true,\"result\":{\"username\":\"my_bot\"}}",
           "200 {\"ok\":true,\"result\":{\"status\":\"creator\"}}");
    assert_int_equal(telegram_try(&t, &name, &err), 0);
    assert_string_equal(buf_str(&name), "my_bot");
    assert_string_equal(f->api.body[1], "{\"chat_id\":\"@channel\",\"user_id\":\"" BOT "\"}");
    t.store = NULL; /* as the doctor asks: no pauses */
    SCRIPT(f, UNKNOWN);
    assert_int_equal(telegram_try(&t, &name, &err), -1);
    assert_int_equal(telegram_try(&t, &name, &err), -1);
    assert_int_equal(f->api.asked, 2);
}

static void settings(void **state)
{
    static const struct {
        const char *api, *token, *chat;
        int rc;
    } cases[] = {
        {"https://api.telegram.org", "", "", 0},
        {"https://api.telegram.org", "1:a", "@c", 1},
        {"http://127.0.0.1:8081/x/", "1:a", "-100", 1},
        {"https://api.telegram.org", "", "@c", 0},
        {"https://api.telegram.org", "1:a", "", -1},
        {"https://api.telegram.org", "1", "@c", -1},
        {"https://api.telegram.org", "1:a", "c", -1},
        {"ftp://api.telegram.org", "1:a", "@c", -1},
        {"https://", "1:a", "@c", -1},
        {"https://a@b", "1:a", "@c", -1},
        {"https://b/?x=", "1:a", "@c", -1},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct telegram t;
        struct err err = {0};
        struct config c = f->config;
        c.telegram_api_url = (char *)(uintptr_t)cases[i].api;
        c.telegram_token = (char *)(uintptr_t)cases[i].token;
        c.telegram_chat = (char *)(uintptr_t)cases[i].chat;
        if (telegram_init(&t, &c, f->net, NULL, NULL, &err) != cases[i].rc)
            fail_msg("%s %s %s: %s", cases[i].api, cases[i].token, cases[i].chat, err.text);
    }
    assert_int_equal(telegram_size_max(&f->config), 50);
}

int main(void)
{
    struct err err;
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sending, set_up, tear_down),
        cmocka_unit_test_setup_teardown(places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(verifying, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deleting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(source_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_token, set_up, tear_down),
        cmocka_unit_test_setup_teardown(trying, set_up, tear_down),
        cmocka_unit_test_setup_teardown(settings, set_up, tear_down),
    };
    return hash_init(&err) < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
