/* site/youtube/clients: what an operator's file may say, what is told about slips, and that a changed file is
 * picked up by a running process. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/embed.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/log.h"
#include "site/youtube/clients.h"
#include "site/youtube/fill.h"

static struct err err;

static const char *built_in(void)
{
    for (const struct embed_file *f = embed_files; f->name; f++) {
        if (strcmp(f->name, "clients.json") == 0)
            return f->text;
    }
    fail_msg("no built-in clients.json");
    return "";
}

/* The built-in file with the first `from` replaced; a test whose text is gone from the file fails. */
static void edit(struct buf *out, const char *from, const char *to)
{
    const char *text = built_in();
    const char *at = strstr(text, from);
    if (!at)
        fail_msg("clients.json has no %s", from);
    buf_init(out, 1 << 20);
    (void)buf_add(out, text, (size_t)(at - text));
    (void)buf_addf(out, "%s%s", to, at + strlen(from));
}

static void built_in_profiles(void **state)
{
    (void)state;
    auto_ptr(clients) struct clients *c = clients_acquire(NULL);
    assert_non_null(c);
    assert_string_equal(c->order[0]->key, "visionos");
    for (size_t i = 0; i < c->order_count; i++) {
        const struct client *one = c->order[i];
        bool plain = strcmp(one->key, "visionos") == 0 || strcmp(one->key, "android") == 0;
        assert_int_equal(plain, !one->needs_js && !one->needs_po_token);
        assert_int_equal(one->needs_po_token, one->po_contexts != 0);
    }
    assert_true(c->visitor_ttl_s >= 600);
    auto_ptr(clients) struct clients *same = clients_acquire("");
    assert_ptr_equal(c, same);
}

static void slips_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        {"{", "[", "line 2, column "},
        {"\"version\": 1,", "\"version\": 2,", "version: this Sluice reads version 1"},
        {"\"version\": 1,", "\"version\": \"1\",", "version: expected a whole number, not negative"},
        {"\"version\": 1,", "", "version: missing"},
        {"\"order\": [", "\"ordre\": [], \"order\": [", "ordre: not a known member"},
        {"\"order\": [", "\"order\": [], \"order\": [", "line "},
        {"\"order\": [\"visionos\", \"mweb\", \"web\", \"android\", \"tv\"]", "\"order\": {}",
         "order: expected a list"},
        {"\"order\": [\"visionos\", \"mweb\", \"web\", \"android\", \"tv\"]", "\"order\": []",
         "order: expected 1 to 16"},
        {"\"order\": [\"visionos\"", "\"order\": [\"ios\"", "order[0]: expected the key of a client"},
        {"\"order\": [\"visionos\"", "\"order\": [7", "order[0]: expected the key of a client"},
        {"\"version\": \"21.03.36\"", "\"version\": 21", "clients[1].version: expected a string"},
        {"\"version\": \"21.03.36\"", "\"version\": \"\"", "clients[1].version: expected printable ASCII"},
        {"\"version\": \"21.03.36\"", "\"version\": \"2\\r\\n\"",
         "clients[1].version: expected printable ASCII"},
        {"\"key\": \"android\"", "\"key\": \"visionos\"", "clients[1].key: used twice"},
        {"\"key\": \"android\"", "\"key\": \"An droid\"", "clients[1].key: expected up to 32 of a-z 0-9 _"},
        {"\"name\": \"ANDROID\"", "\"nam\": \"ANDROID\"", "clients[1].name: missing"},
        {"\"id\": 101", "\"id\": -1", "clients[0].id: expected a whole number, not negative"},
        {"\"id\": 101", "\"id\": 99999999999", "clients[0].id: expected a whole number, not negative"},
        {"\"host\": \"www.youtube.com\"", "\"host\": \"evil.example/x\"",
         "clients[0].host: expected a host name"},
        {"\"host\": \"www.youtube.com\"", "\"host\": \"a@b\"", "clients[0].host: expected a host name"},
        {"\"path\": \"/you", "\"path\": \"you", "clients[0].path: expected a path that begins with /"},
        {"t={nonce}", "t={once}", "clients[1].path: a placeholder that does not exist, or too long"},
        {"t={nonce}", "t={nonce", "clients[1].path: a placeholder that does not exist, or too long"},
        {"t={nonce}", "t={context}", "clients[1].path: a placeholder that does not exist, or too long"},
        {"\"po_token\": false", "\"po_token\": 0", "clients[0].needs.po_token: expected true or false"},
        {"\"js\": false, ", "", "clients[0].needs.js: missing"},
        {"\"cookies\": true", "\"cookies\": 1", "clients[5].needs.cookies: expected true or false"},
        {"\"encryptedHostFlags\"", "\"a b\"", "clients[2].page_value: expected up to 64 letters"},
        {"\"page\": \"/embed", "\"page\": \"embed", "clients[2].page: expected a path that begins with /"},
        {"\"page\": \"/embed/{video_id}?html5=1\",", "", "clients[2].page_value: expected"},
        {"\"path\": \"/youtubei/v1/player?prettyPrint=false&$", "\"path\": \"$", "dates.path: expected"},
        {"[\"https\", \"hls\"]", "[\"https\", \"dash\"]",
         "clients[3].po_token.protocols[1]: expected https or hls"},
        {"\"http\": \"2\"", "\"http\": \"3\"", "clients[0].connection.http: expected 1.1 or 2"},
        {"\"http\": \"2\",", "", "clients[0].connection.http: missing"},
        {"\"http\": \"2\"", "\"http\": \"2\", \"tls_min\": \"1.0\"",
         "clients[0].connection.tls_min: not known to OpenSSL"},
        {"\"http\": \"2\"", "\"http\": \"2\", \"tls_min\": \"1.3\", \"tls_max\": \"1.2\"",
         "clients[0].connection.tls_max: not known to OpenSSL"},
        {"\"X25519:P-256", "\"X25519:P-257", "clients[0].connection.groups: not known to OpenSSL"},
        {"\"Origin\": \"https://www.youtube.com\"", "\"Origin\": \"a\\nb\"",
         "clients[0].headers.Origin: expected a string of printable ASCII"},
        {"\"Origin\"", "\"Ori gin\"", "clients[0].headers.Ori gin: not a header name"},
        {"\"{version}\"", "\"{versoin}\"",
         "clients[0].headers.X-YouTube-Client-Version: a placeholder that does not exist, or too long"},
        {"\"deviceMake\": \"Apple\"", "\"deviceMake\": \"{context}\"",
         "clients[0].context.client.deviceMake: a placeholder that does not exist, or too long"},
        {"\"deviceMake\": \"Apple\"", "\"deviceMake\": [[[[[[[[[[[[[[[]]]]]]]]]]]]]]]",
         "clients[0].context.client.deviceMake: nested too deeply"},
        {"\"then\": \"android\"", "\"then\": \"ios\"",
         "fallback[2].then: expected the key of a client, a list of up to 4, next or stop"},
        {"\"then\": \"android\"", "\"then\": 7", "fallback[2].then: expected the key"},
        {"[\"web_embedded\", \"android\"]", "[\"web_embedded\", \"ios\"]",
         "fallback[1].then: expected the key"},
        {"[\"web_embedded\", \"android\"]", "[]", "fallback[1].then: expected the key"},
        {"\"contexts\": [\"gvs\"]", "\"contexts\": [\"gsv\"]",
         "clients[3].po_token.contexts[0]: expected gvs, player or subs"},
        {"\"contexts\": [\"gvs\"]", "\"contexts\": \"gvs\"", "clients[3].po_token.contexts: expected a list"},
        {"\"media_binding\": \"visitor\"", "\"media_binding\": \"session\"",
         "clients[3].po_token.media_binding: expected visitor or video"},
        {"\"explore_percent\": 10", "\"explore_percent\": 101", "adaptive: more than 100 percent"},
        {"\"half_life_s\": 900", "\"half_life_s\": 0", "adaptive.half_life_s: expected 1 to 86400"},
        {"\"client\": \"visionos\"", "\"client\": \"ios\"",
         "fallback[1].client: expected the key of a client, or *"},
        {"\"classes\": [\"age_restricted\"]", "\"classes\": [\"old\"]",
         "fallback[0].classes[0]: not a class"},
        {"\"classes\": [\"age_restricted\"]", "\"classes\": [\"ok\"]", "fallback[0].classes[0]: not a class"},
        {"\"contains\": \"not a bot\", \"class\": \"bot_check\"", "\"contains\": 1, \"class\": \"bot_check\"",
         "reasons[1].contains: expected a string"},
        {"\"suffix\": \".google", "\"suffix\": \"google",
         "media_hosts.suffix: expected a host name that begins with a dot"},
        {"{mn}.googlevideo.com", "{mn}.evil.example", "media_hosts.other: expected a host name that ends"},
        {"rr{fvip}---", "rr{fvip}/", "media_hosts.other: expected a host name that ends"},
        {"\"other\": ", "\"another\": ", "media_hosts.other: missing"},
        {"\"contains\": \"not a bot\", \"class\": \"bot_check\"", "\"class\": \"robot\"",
         "reasons[1].class: not a class"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct clients *c = NULL;
        auto_(buf) struct buf text;
        edit(&text, cases[i].from, cases[i].to);
        if (clients_parse(&c, buf_str(&text), text.len, &err) == 0)
            fail_msg("%s: accepted", cases[i].to);
        assert_null(c);
        if (strncmp(err.text, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("%s: says \"%s\"", cases[i].to, err.text);
    }
}

static void size_is_limited(void **state)
{
    (void)state;
    struct clients *c = NULL;
    auto_(buf) struct buf text = BUF_INIT(1 << 20);
    (void)buf_adds(&text, built_in());
    while (text.len <= CLIENTS_MAX_BYTES)
        (void)buf_adds(&text, "                                ");
    assert_int_equal(clients_parse(&c, buf_str(&text), text.len, &err), -1);
    assert_int_equal(clients_parse(&c, buf_str(&text), CLIENTS_MAX_BYTES, &err), 0);
    clients_release(c);
}

static void templates_are_filled(void **state)
{
    (void)state;
    static const char text[] = "{name}-{id}-{version}|{visitor_data}|{video_id}|{cpn}|{nonce}|$x";
    auto_ptr(clients) struct clients *c = clients_acquire(NULL);
    struct fill f;
    struct fill other;
    auto_(buf) struct buf out = BUF_INIT(1000);
    assert_int_equal(fill_init(&f, clients_find(c, "android"), "dQw4w9WgXcQ", ""), 0);
    assert_int_equal(fill_init(&other, clients_find(c, "android"), "dQw4w9WgXcQ", ""), 0);
    assert_int_equal(strlen(f.cpn), 16);
    assert_int_equal(strlen(f.nonce), 12);
    assert_string_not_equal(f.cpn, other.cpn);
    assert_int_equal(fill_text(&f, text, &out), 0);
    assert_int_equal(strncmp(buf_str(&out), "ANDROID-3-21.03.36||dQw4w9WgXcQ|", 32), 0);
    assert_int_equal(out.len, 32 + 16 + 1 + 12 + 3);
    json_t *body = fill_json(&f, f.client->body);
    json_t *client = json_object_get(json_object_get(body, "context"), "client");
    assert_string_equal(json_string_value(json_object_get(client, "clientName")), "ANDROID");
    assert_int_equal(json_integer_value(json_object_get(client, "androidSdkVersion")), 36);
    assert_null(json_object_get(client, "visitorData")); /* unknown: left out */
    json_decref(body);
}

/* ------------------------------------------------------------------------------------------------ */

static char file[64];

static void write_file(const char *from, const char *to)
{
    auto_(buf) struct buf text;
    edit(&text, from, to);
    assert_int_equal(io_write_file(file, buf_str(&text), text.len, &err), 0);
}

static void expect_version(const char *version)
{
    auto_ptr(clients) struct clients *c = clients_acquire(file);
    assert_non_null(c);
    assert_string_equal(c->list[0].version, version);
}

static void changed_file_is_picked_up(void **state)
{
    (void)state;
    expect_version("1.02"); /* no such file: the built-in one */
    write_file("\"1.02\"", "\"9.01\"");
    expect_version("9.01");
    auto_ptr(clients) struct clients *held = clients_acquire(file);
    write_file("\"1.02\"", "\"9.02\"");
    expect_version("9.02");
    assert_string_equal(held->list[0].version, "9.01"); /* whoever began with the old one keeps it */
    write_file("\"1.02\"", "0");
    expect_version("9.02"); /* the last good one */
    write_file("\"1.02\"", "\"9.03\"");
    expect_version("9.03");
    assert_int_equal(unlink(file), 0);
    expect_version("1.02"); /* who takes his away wants the built-in ones back */
    auto_ptr(clients) struct clients *none = clients_acquire(NULL);
    assert_string_equal(none->list[0].version, "1.02");
}

static void *acquire_often(void *failures)
{
    for (int i = 0; i < 500; i++) {
        auto_ptr(clients) struct clients *c = clients_acquire(file);
        struct fill f;
        if (!c || fill_init(&f, c->order[0], "dQw4w9WgXcQ", "") < 0) {
            *(int *)failures = 1;
            continue;
        }
        json_t *body = fill_json(&f, f.client->body);
        if (!body)
            *(int *)failures = 1;
        json_decref(body);
    }
    return NULL;
}

static void readers_and_changes_at_once(void **state)
{
    (void)state;
    pthread_t threads[4];
    int failures[4] = {0};
    write_file("\"1.02\"", "\"9.04\"");
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, acquire_often, &failures[i]), 0);
    for (int i = 0; i < 50; i++) {
        char version[16];
        (void)snprintf(version, sizeof version, "\"8.%d\"", i);
        write_file("\"1.02\"", version);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(failures[i], 0);
    }
    expect_version("8.49");
    (void)unlink(file);
}

static int prepare(void **state)
{
    (void)state;
    (void)snprintf(file, sizeof file, "/tmp/sluice-test-clients-%ld.json", (long)getpid());
    log_init("test", LOG_ERROR + 1);
    return hash_init(&err);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_profiles),         cmocka_unit_test(slips_are_named),
        cmocka_unit_test(size_is_limited),           cmocka_unit_test(templates_are_filled),
        cmocka_unit_test(changed_file_is_picked_up), cmocka_unit_test(readers_and_changes_at_once),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
