/* See player_script.h and challenges.h. */
#include "site/youtube/challenges/player_script.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "site/call.h"
#include "site/youtube/challenges/js.h"

enum {
    PAGE_MAX_BYTES = 1 << 20,
    SCRIPT_MAX_BYTES = 16 << 20,
    CURRENT_TTL_S = 3 * 3600, /* a player that was replaced goes on working for days */
    ORDER_TTL_S = 30 * 86400, /* a permutation never changes; players are forgotten */
    SIGNATURE_MAX = 256,
    SIGNATURE_MIN = 8,
    PATH_MAX_BYTES = 4096,
    STAMP_MAX = 999999,
};

static int fetch(const struct site_env *env, const char *url, const char *user_agent, size_t most,
                 struct net_answer *got, struct err *err)
{
    const struct net_call call = {
        .url = url, .user_agent = user_agent, .max_bytes = most, .compressed = true};
    if (site_call(env, &call, got, err) < 0)
        return -1;
    if (got->status == 200)
        return 0;
    return err_set(err, got->status == 429 ? ERR_RATE_LIMITED_UPSTREAM : ERR_UPSTREAM_FAILED,
                   "status %d of %.80s", got->status, url);
}

/* ------------------------------------------------------------------------------------------------ */
/* Which player */

/* `https:\/\/www.youtube.com\/s\/player\/c9168c90\/www-widgetapi…` in the script that pages embed players by.
 */
static int read_id(const char *page, char id[CHALLENGES_ID_MAX])
{
    static const char set[] = "0123456789abcdefABCDEF";
    for (const char *p = strstr(page, "player"); p; p = strstr(p + 1, "player")) {
        const char *start = p + 6 + strspn(p + 6, "\\/");
        size_t len = strspn(start, set);
        if (start > p + 6 && len == 8 && (start[len] == '/' || start[len] == '\\')) {
            memcpy(id, start, len);
            id[len] = '\0';
            return 0;
        }
    }
    return -1;
}

static int file_of(const struct site_env *env, const char *id, char path[PATH_MAX_BYTES])
{
    int n = snprintf(path, PATH_MAX_BYTES, "%s/%s-%d.js", env->players_dir, id, CHALLENGES_VERSION);
    return n > 0 && n < PATH_MAX_BYTES ? 0 : -1;
}

static const char *reason_of(int op)
{
    return op == FRAME_THREW     ? "the script threw"
           : op == FRAME_DIED    ? "the child died"
           : op == FRAME_KILLED  ? "the child took too long or too much"
           : op == FRAME_STARVED ? "the machine is too busy"
           : op == FRAME_MISSING ? "the child has another one"
                                 : "nobody runs it";
}

/* Where nobody runs scripts any more, that is no fault of the player, and soon mended. */
static int fail(const struct site_env *env, const char *what, const char *id, int op, struct err *err)
{
    bool gone = op < 0 && js_is_gone(env->js);
    (void)err_set(err, gone ? ERR_BUSY : ERR_UPSTREAM_FAILED, "player %s %s: %s", id, what, reason_of(op));
    if (gone && err)
        err->retry_after_s = SITE_HELPER_BACK_S;
    return -1;
}

/* Fetches a player and prepares it: `text` gets its first line, the signature timestamp, and the script. */
static int make(const struct site_env *env, const char *user_agent, const char *id, struct buf *text,
                struct err *err)
{
    char url[128];
    auto_(net_answer) struct net_answer got = {.status = 0};
    int64_t start_us = clock_mono_us();
    (void)snprintf(url, sizeof url, "https://www.youtube.com/s/player/%s/player_ias.vflset/en_US/base.js",
                   id);
    if (fetch(env, url, user_agent, SCRIPT_MAX_BYTES, &got, err) < 0)
        return -1;
    int op = js_ask(env->js, FRAME_PREPARE, "", buf_str(&got.body), got.body.len, text);
    char took[24];
    (void)snprintf(took, sizeof took, "%d", (int)((clock_mono_us() - start_us) / 1000));
    log_event(op == FRAME_TEXT ? LOG_INFO : LOG_ERROR, "player", "id", id, "ms", took, "state",
              op == FRAME_TEXT    ? "prepared"
              : op == FRAME_THREW ? buf_str(text)
                                  : "the child failed",
              NULL);
    return op == FRAME_TEXT ? 0 : fail(env, "cannot be prepared", id, op, err);
}

/* The prepared player: from its file, else made and kept. */
static int prepared(const struct site_env *env, const char *user_agent, const char *id, struct buf *text,
                    struct err *err)
{
    char path[PATH_MAX_BYTES];
    struct err ignored;
    bool keep = env->players_dir && file_of(env, id, path) == 0;
    if (keep && io_read_file(path, text, &ignored) == 0 && text->len > 0)
        return 0;
    buf_clear(text);
    if (make(env, user_agent, id, text, err) < 0)
        return -1;
    if (keep && (io_make_dirs(env->players_dir, &ignored) < 0 ||
                 io_write_cache_file(path, buf_str(text), text->len, &ignored) < 0))
        log_event(LOG_WARN, "player-not-kept", "error", ignored.text, NULL);
    return 0;
}

/* "c9168c90 20472" */
static int read_current(const char *text, struct player_script *out)
{
    size_t len = strcspn(text, " ");
    uint64_t stamp;
    if (text[len] != ' ' || len >= sizeof out->id || text_parse_u64(text + len + 1, 0, STAMP_MAX, &stamp) < 0)
        return -1;
    memcpy(out->id, text, len);
    out->id[len] = '\0';
    out->signature_timestamp = (int)stamp;
    return 0;
}

int challenges_player(const struct site_env *env, const char *user_agent, struct player_script *out,
                      struct err *err)
{
    auto_(buf) struct buf kept = BUF_INIT(CHALLENGES_ID_MAX + 16);
    auto_(buf) struct buf text = BUF_INIT(FRAME_MAX_BYTES + 1UL);
    auto_(net_answer) struct net_answer page = {.status = 0};
    char current[CHALLENGES_ID_MAX + 16];
    uint64_t stamp;
    if (env->get && env->get(env->memo_ctx, "player", &kept) == 0 && read_current(buf_str(&kept), out) == 0)
        return 0;
    if (fetch(env, "https://www.youtube.com/iframe_api", user_agent, PAGE_MAX_BYTES, &page, err) < 0)
        return -1;
    if (read_id(buf_str(&page.body), out->id) < 0)
        return err_set(err, ERR_UPSTREAM_FAILED, "the player's name is not where it was");
    if (prepared(env, user_agent, out->id, &text, err) < 0)
        return -1;
    if (text_parse_u64n(buf_str(&text), strcspn(buf_str(&text), "\n"), 0, STAMP_MAX, &stamp) < 0)
        return err_set(err, ERR_UPSTREAM_FAILED, "player %s: no signature timestamp", out->id);
    out->signature_timestamp = (int)stamp;
    (void)snprintf(current, sizeof current, "%s %d", out->id, out->signature_timestamp);
    if (env->put)
        env->put(env->memo_ctx, "player", current, clock_unix_s() + CURRENT_TTL_S);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ */
/* Asking it */

static int load(const struct site_env *env, const char *user_agent, const char *id, struct err *err)
{
    auto_(buf) struct buf text = BUF_INIT(FRAME_MAX_BYTES + 1UL);
    auto_(buf) struct buf answer = BUF_INIT(FRAME_MAX_BYTES + 1UL);
    if (prepared(env, user_agent, id, &text, err) < 0)
        return -1;
    size_t line = strcspn(buf_str(&text), "\n");
    if (line == text.len)
        return FRAME_THREW;
    return js_ask(env->js, FRAME_LOAD, id, buf_str(&text) + line + 1, text.len - line - 1, &answer);
}

/* Another round may help: the child has died, knows another player, or did not get to run. */
static bool is_worth_another(int op)
{
    return op == FRAME_MISSING || op == FRAME_DIED || op == FRAME_STARVED;
}

static json_t *ask(const struct site_env *env, const char *user_agent, const char *id,
                   const json_t *questions, struct err *err)
{
    char *text = json_dumps(questions, JSON_COMPACT);
    json_t *answers = NULL;
    int op = -1;
    for (int left = 3; text && left > 0 && !answers; left--) {
        auto_(buf) struct buf answer = BUF_INIT(FRAME_MAX_BYTES + 1UL);
        op = js_ask(env->js, FRAME_SOLVE, id, text, strlen(text), &answer);
        if (op == FRAME_TEXT)
            answers = json_loadb(buf_str(&answer), answer.len, 0, NULL);
        if (op == FRAME_THREW)
            log_event(LOG_WARN, "player", "id", id, "threw", buf_str(&answer), NULL);
        if (!is_worth_another(op))
            break;
        op = load(env, user_agent, id, err);
        if (op != FRAME_DONE && !is_worth_another(op))
            break;
    }
    free(text);
    if (json_array_size(answers) == json_array_size(questions))
        return answers;
    (void)fail(env, "does not solve", id, op, err);
    json_decref(answers);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ */
/* Signatures: a permutation (with some left out) of the characters, the same for every one of a length. */

static void order_key(const struct player_script *script, size_t len, char key[64])
{
    (void)snprintf(key, 64, "sig:%s:%d:%zu", script->id, CHALLENGES_VERSION, len);
}

/* A signature whose characters are their own positions: what comes back is the order. */
enum { PROBE_FIRST = 0x100 }; /* letters of two bytes, one unit of a script's strings */

static json_t *probe_of(size_t len)
{
    auto_(buf) struct buf probe = BUF_INIT(SIGNATURE_MAX * 2);
    for (unsigned i = 0; i < len; i++) {
        unsigned c = PROBE_FIRST + i;
        const char bytes[] = {(char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f))};
        (void)buf_add(&probe, bytes, sizeof bytes);
    }
    return json_pack("[s,n]", buf_str(&probe));
}

/* `sig` in the order that `answer`, the probe's, has. */
static json_t *reorder(const char *sig, const char *answer)
{
    char out[SIGNATURE_MAX + 1];
    size_t len = strlen(sig);
    size_t count = 0;
    size_t left = answer ? strlen(answer) : 0;
    for (const char *p = answer; left > 0; count++) {
        uint32_t c;
        size_t used = text_utf8_next(p, left, &c);
        if (used == 0 || c < PROBE_FIRST || c - PROBE_FIRST >= len || count >= SIGNATURE_MAX)
            return NULL;
        out[count] = sig[c - PROBE_FIRST];
        p += used;
        left -= used;
    }
    out[count] = '\0';
    return count > 0 ? json_string(out) : NULL;
}

/* The site's signatures have some hundred characters; one that is much shorter or longer is none. */
static bool has_order(const char *sig)
{
    return sig && strlen(sig) >= SIGNATURE_MIN && strlen(sig) <= SIGNATURE_MAX;
}

/* From memory; NULL: not seen before. */
static json_t *by_order(const struct site_env *env, const struct player_script *script, const char *sig)
{
    char key[64];
    auto_(buf) struct buf order = BUF_INIT(SIGNATURE_MAX * 2 + 1);
    if (!has_order(sig) || !env->get)
        return NULL;
    order_key(script, strlen(sig), key);
    return env->get(env->memo_ctx, key, &order) == 0 ? reorder(sig, buf_str(&order)) : NULL;
}

/* Kept only if it explains what the player itself answered. */
static void keep_order(const struct site_env *env, const struct player_script *script, const char *sig,
                       const char *solved, const char *order)
{
    char key[64];
    json_t *again = solved && order ? reorder(sig, order) : NULL;
    if (again && strcmp(json_string_value(again), solved) == 0 && env->put) {
        order_key(script, strlen(sig), key);
        env->put(env->memo_ctx, key, order, clock_unix_s() + ORDER_TTL_S);
    }
    json_decref(again);
}

static const char *text_at(const json_t *rows, size_t row, size_t column)
{
    return json_string_value(json_array_get(json_array_get(rows, row), column));
}

/* The first question that has the same n: all formats of one answer tend to. */
static size_t first_with_n(const json_t *questions, size_t row)
{
    const char *n = text_at(questions, row, 1);
    size_t first = 0;
    while (n && first < row &&
           (!text_at(questions, first, 1) || strcmp(text_at(questions, first, 1), n) != 0))
        first++;
    return n ? first : row;
}

static json_t *printable(const json_t *rows, size_t row, size_t column)
{
    const char *text = text_at(rows, row, column);
    for (const char *c = text; c && *c; c++) {
        if (*c <= ' ' || *c > '~')
            return json_null();
    }
    return text && *text ? json_string(text) : json_null();
}

json_t *player_script_solve(const struct site_env *env, const char *user_agent,
                            const struct player_script *script, const json_t *questions, struct err *err)
{
    size_t count = json_array_size(questions);
    json_t *open = json_array();
    json_t *solved = json_array();
    const char *probed = NULL; /* one length is learnt at a time; an answer hardly ever has two */
    size_t probed_row = 0;
    bool script_needed = false;
    for (size_t i = 0; i < count; i++) {
        const char *sig = text_at(questions, i, 0);
        const char *n = first_with_n(questions, i) == i ? text_at(questions, i, 1) : NULL;
        json_t *known = by_order(env, script, sig);
        (void)json_array_append_new(open, json_pack("[s?,s?]", known ? NULL : sig, n));
        script_needed = script_needed || n || (sig && !known);
        if (!known && !probed && has_order(sig)) {
            probed = sig;
            probed_row = i;
        }
        (void)json_array_append_new(solved, known ? known : json_null());
    }
    if (probed)
        (void)json_array_append_new(open, probe_of(strlen(probed)));
    json_t *answers = script_needed ? ask(env, user_agent, script->id, open, err) : json_array();
    json_t *out = answers ? json_array() : NULL;
    if (probed && answers)
        keep_order(env, script, probed, text_at(answers, probed_row, 0), text_at(answers, count, 0));
    for (size_t i = 0; answers && i < count; i++) {
        json_t *known = json_array_get(solved, i);
        json_t *sig = json_is_string(known) ? json_incref(known) : printable(answers, i, 0);
        json_t *row = json_array();
        (void)json_array_append_new(row, sig);
        (void)json_array_append_new(row, printable(answers, first_with_n(questions, i), 1));
        (void)json_array_append_new(out, row);
    }
    json_decref(open);
    json_decref(solved);
    json_decref(answers);
    return out;
}
