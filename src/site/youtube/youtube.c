/* See youtube.h. */
#include "site/youtube/youtube.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "site/call.h"
#include "site/hls.h"
#include "site/hls_link.h"
#include "site/youtube/account.h"
#include "site/youtube/challenges/challenges.h"
#include "site/youtube/date.h"
#include "site/youtube/hedge.h"
#include "site/youtube/innertube.h"
#include "site/youtube/order.h"
#include "site/youtube/player.h"
#include "site/youtube/po_token.h"

enum { MEASURE_MAX = 4, MEASURE_TIMEOUT_MS = 8000, DOUBTFUL_TTL_S = 300 };

/* What became of one client, or the best of several. */
struct outcome {
    enum youtube_class class;
    struct err err;
};

static void outcome_set(struct outcome *o, const struct client *client, enum youtube_class class,
                        const char *why)
{
    o->class = class;
    (void)err_set(&o->err, youtube_class_code(class), "%s: %s: %s", client->key, youtube_class_name(class),
                  why);
}

/* A transport error as an outcome; the codes that say more than "failed" keep their own. */
static void outcome_failed(struct outcome *o, const struct err *err)
{
    o->class = err->code == ERR_RATE_LIMITED_UPSTREAM ? CLASS_RATE_LIMITED : CLASS_FAILED;
    o->err = *err;
}

/* Media and subtitles are fetched with the tokens of the client that names them. */
static int add_tokens(const struct site_env *env, const struct fill *ask, json_t *player, struct err *err)
{
    static const enum po_context contexts[] = {PO_GVS, PO_SUBS};
    for (size_t i = 0; i < ARRAY_LEN(contexts); i++) {
        auto_(buf) struct buf token = BUF_INIT(PO_TOKEN_MAX);
        if (po_token_get(env, ask->client, contexts[i], ask->visitor_data, ask->video_id, &token, err) < 0)
            return -1;
        po_token_apply(player, ask->client, contexts[i], buf_str(&token));
    }
    return 0;
}

/* A broadcast is to be had as an HLS list, from now on. -1: it is not. */
static int read_live(const struct site_env *env, const struct fill *ask, const json_t *player,
                     struct description **out)
{
    struct err err = {.code = ERR_OK};
    auto_ptr(description) struct description *d = NULL;
    auto_(net_answer) struct net_answer answer = {.status = 0};
    const struct net_call call = {
        .url = player_read_live(ask, player, &d),
        .user_agent = ask->user_agent,
        .max_bytes = HLS_BYTES_MAX,
        .compressed = true,
    };
    if (!call.url || site_call(env, &call, &answer, &err) < 0 || answer.status != 200 ||
        hls_add_formats(env, answer.final_url ? answer.final_url : call.url, buf_str(&answer.body),
                        answer.body.len, d, &err) < 0)
        return -1;
    for (size_t i = 0; i < d->format_count; i++) {
        if (description_set_text(&d->formats[i].user_agent, ask->user_agent, strlen(ask->user_agent),
                                 sizeof ask->user_agent) < 0)
            return -1;
    }
    *out = steal(&d);
    return 0;
}

/* One question. *player: what the site answered, the caller's (NULL: nothing). */
static void ask_once(const struct site_env *env, const struct clients *clients, const struct fill *ask,
                     const struct player_script *script, json_t **player, struct description **out,
                     struct outcome *o)
{
    struct err err = {.code = ERR_OK};
    char why[PLAYER_WHY_MAX];
    if (innertube_player(env, ask, player, &err) < 0 ||
        (*player && ask->client->needs_js &&
         challenges_solve(env, ask->user_agent, script, *player, &err) < 0) ||
        (*player && add_tokens(env, ask, *player, &err) < 0)) {
        outcome_failed(o, &err);
    } else if (!*player) {
        outcome_set(o, ask->client, CLASS_NOT_FOUND, "empty answer");
    } else {
        enum youtube_class class = player_read(clients, ask, *player, out, why);
        if (class == CLASS_LIVE && read_live(env, ask, *player, out) == 0)
            class = CLASS_OK;
        outcome_set(o, ask->client, class, why);
    }
}

/* Asks one client. An answer that wants a bot check carries the visitorData that passes it: adopted, asked
 * once more, and remembered when it worked. */
static void ask(const struct site_env *env, const struct clients *clients, const struct client *client,
                const char *id, struct description **out, struct outcome *o)
{
    struct visitor visitor;
    struct fill fill;
    struct err err = {.code = ERR_OK};
    struct player_script script = {.signature_timestamp = 0};
    json_t *player = NULL;
    char account[ACCOUNT_PROOF_MAX];
    auto_(buf) struct buf token = BUF_INIT(PO_TOKEN_MAX);
    auto_(buf) struct buf page_value = BUF_INIT(PAGE_VALUE_MAX);
    if (client->needs_js && challenges_player(env, client->user_agent, &script, &err) < 0) {
        outcome_failed(o, &err);
        return;
    }
    if (innertube_visitor_get(env, clients, client, &visitor, &err) < 0) {
        outcome_failed(o, &err);
        return;
    }
    bool had_visitor = visitor.data[0] != '\0';
    if (fill_init(&fill, client, id, visitor.data) < 0) {
        outcome_set(o, client, CLASS_FAILED, "the request cannot be built");
        return;
    }
    fill.signature_timestamp = script.signature_timestamp;
    if (po_token_get(env, client, PO_PLAYER, visitor.data, id, &token, &err) < 0) {
        outcome_failed(o, &err);
        return;
    }
    fill.po_token = buf_str(&token);
    if (client->page)
        innertube_page_value(env, &fill, &page_value);
    fill.page_value = buf_str(&page_value);
    if (client->needs_cookies && account_proof(env, client, clock_unix_s(), account) == 0)
        fill.account = account;
    ask_once(env, clients, &fill, &script, &player, out, o);
    if (o->class == CLASS_BOT_CHECK && innertube_visitor_adopt(&visitor, player)) {
        log_event(LOG_INFO, "bot_check", "client", client->key, "action", "asking again", NULL);
        json_decref(steal(&player));
        ask_once(env, clients, &fill, &script, &player, out, o);
        if (o->class != CLASS_BOT_CHECK)
            innertube_visitor_put(env, clients, client, &visitor);
    } else if (!had_visitor && o->class == CLASS_OK && innertube_visitor_adopt(&visitor, player)) {
        innertube_visitor_put(env, clients, client, &visitor);
    }
    json_decref(player);
}

/* ------------------------------------------------------------------------------------------------ */
/* Which client next */

struct round {
    const struct clients *clients;
    const struct site_env *env;
    uint64_t random;        /* of this extraction */
    enum youtube_kind kind; /* as far as is known */
    bool asked[CLIENTS_MAX];
    bool failed[CLIENTS_MAX]; /* in a way that says nothing about the video */
};

/* What a client needs and we do not have rules it out. */
static bool is_usable(const struct round *r, const struct client *c)
{
    return (r->env->js || !c->needs_js) && (!c->needs_po_token || po_token_obtainable(r->env, c)) &&
           (!c->needs_cookies || account_is_there(r->env, c));
}

static bool may_ask(const struct round *r, const struct client *c)
{
    return !r->asked[c - r->clients->list] && is_usable(r, c);
}

static const struct client *next_in_order(const struct round *r)
{
    const struct clients *all = r->clients;
    const struct client *order[CLIENTS_MAX];
    struct site_score scores[CLIENTS_MAX] = {{0, 0, 0}};
    if (r->env->only_client) {
        const struct client *only = clients_find(all, r->env->only_client);
        return only && may_ask(r, only) ? only : NULL;
    }
    for (size_t i = 0; i < all->order_count && r->env->score; i++)
        r->env->score(r->env->score_ctx, all->order[i]->key, youtube_kind_name(r->kind),
                      all->adaptive.half_life_s, &scores[i]);
    order_clients(all, scores, r->random, order);
    for (size_t i = 0; i < all->order_count; i++) {
        if (may_ask(r, order[i]))
            return order[i];
    }
    return NULL;
}

/* The first rule that fits decides; without one the next client in order is asked. NULL: that was the last.
 */
static const struct client *next_client(const struct round *r, const struct client *last,
                                        enum youtube_class class)
{
    for (size_t i = 0; i < r->clients->rule_count && !r->env->only_client; i++) {
        const struct client_rule *rule = &r->clients->rules[i];
        if ((rule->client && rule->client != last) || !(rule->classes & 1U << class))
            continue;
        if (rule->then == RULE_NEXT)
            break;
        for (size_t k = 0; k < rule->next_count; k++) {
            if (may_ask(r, rule->next[k]))
                return rule->next[k];
        }
        return NULL;
    }
    return next_in_order(r);
}

/* ------------------------------------------------------------------------------------------------ */

/* The size of what the site does not state it for: two bytes by range, and the total in the answer. A format
 * that does not answer keeps its size unknown. */
static void measure(const struct site_env *env, struct description *d)
{
    int left = MEASURE_MAX;
    for (size_t i = 0; i < d->format_count && left > 0; i++) {
        struct format *f = &d->formats[i];
        auto_(net_answer) struct net_answer answer = {.status = 0};
        const struct net_call call = {
            .url = f->url,
            .user_agent = f->user_agent,
            .max_bytes = 2,
            .timeout_ms = MEASURE_TIMEOUT_MS,
            .range_length = 2,
        };
        struct err err;
        if (f->size_bytes || strcmp(f->container, "hls") == 0)
            continue;
        left--;
        if (env->call(env->call_ctx, &call, &answer, &err) == 0 && answer.status == 206)
            f->size_bytes = answer.total_size;
    }
}

/* Small files with picture and sound in one, and nothing else. */
static bool is_poor(const struct description *d)
{
    for (size_t i = 0; i < d->format_count; i++) {
        if (d->formats[i].kind != FORMAT_MUXED || strcmp(d->formats[i].container, "hls") == 0)
            return false;
    }
    return true;
}

/* Whether another client might have had more: one that did not work, or comes before this one and was not
 * asked. */
static bool is_second_choice(const struct round *r, const struct client *c)
{
    bool failed = false;
    for (size_t i = 0; i < r->clients->count; i++)
        failed |= r->failed[i];
    for (size_t i = 0; i < r->clients->order_count && r->clients->order[i] != c && !failed; i++)
        failed = may_ask(r, r->clients->order[i]);
    return failed;
}

/* A poor answer of a second choice is not kept for long. */
static void shorten(struct description *d)
{
    int64_t until = clock_unix_s() + DOUBTFUL_TTL_S;
    if (!d->expires_unix_s || d->expires_unix_s > until)
        d->expires_unix_s = until;
}

/* Tells whoever listens what came of asking `c`. */
static void tell(const struct round *r, const struct client *c, const struct outcome *o,
                 const struct description *d, int64_t took_us)
{
    const struct site_note note = {
        .step = SITE_OUTCOME,
        .client = c->key,
        .kind = youtube_kind_name(r->kind),
        .credit = o->err.code == ERR_BUSY ? 0 : youtube_class_credit(o->class),
        .outcome = youtube_class_name(o->class),
        .why = o->class == CLASS_OK ? "" : o->err.text,
        .took_ms = took_us / 1000,
        .formats = d ? d->format_count : 0,
    };
    if (r->env->note)
        r->env->note(r->env->note_ctx, &note);
}

/* ------------------------------------------------------------------------------------------------ */

/* One client being asked, alone or beside another one. */
struct leg {
    struct hedge_leg hedge; /* first: the one is cast to the other */
    const struct round *round;
    const struct client *client;
    const char *id;
    struct site_env env; /* calls through the leg */
    struct outcome outcome;
    struct description *description;
    int64_t began_us, ended_us;
};

static int leg_call(void *ctx, const struct net_call *call, struct net_answer *answer, struct err *err)
{
    const struct leg *leg = ctx;
    const struct site_env *under = leg->round->env;
    struct net_call mine = *call;
    mine.cancelled = &leg->hedge.cancelled;
    return under->call(under->call_ctx, &mine, answer, err);
}

static enum hedge_end leg_run(struct hedge_leg *hedge)
{
    struct leg *leg = (struct leg *)hedge;
    leg->began_us = clock_mono_us();
    ask(&leg->env, leg->round->clients, leg->client, leg->id, &leg->description, &leg->outcome);
    leg->ended_us = clock_mono_us();
    return !leg->description ? HEDGE_FAILED : is_poor(leg->description) ? HEDGE_POOR : HEDGE_GOOD;
}

static void leg_init(struct leg *leg, const struct round *r, const struct client *client, const char *id)
{
    *leg = (struct leg){.hedge = {.run = leg_run}, .round = r, .client = client, .id = id, .env = *r->env};
    leg->env.call = leg_call;
    leg->env.call_ctx = leg;
}

/* How long the first client may take before another one is asked beside it; 0: there is none to be asked. It
 * must not need a script, whose preparation nobody could cut short. */
static int hedge_delay_ms(struct round *r, const struct client *first, const struct client **second)
{
    const struct client_adaptive *a = &r->clients->adaptive;
    struct site_score score = {0, 0, 0};
    *second = NULL;
    if (a->hedge_after_ms == 0 || r->env->only_client)
        return 0;
    *second = next_in_order(r);
    if (!*second || (*second)->needs_js)
        return 0;
    if (r->env->score)
        r->env->score(r->env->score_ctx, first->key, youtube_kind_name(r->kind), a->half_life_s, &score);
    double usual_ms = score.took_ms * 3;
    return usual_ms > a->hedge_after_ms && usual_ms < INT_MAX ? (int)usual_ms : a->hedge_after_ms;
}

/* Files what became of one that was asked. True: it is the answer. */
static bool settle(struct round *r, struct leg *leg, struct outcome *best, struct description **out)
{
    r->asked[leg->client - r->clients->list] = true;
    if (atomic_load(&leg->hedge.cancelled) && !leg->hedge.won)
        outcome_set(&leg->outcome, leg->client, CLASS_FAILED, "another client was faster");
    struct description *found = leg->hedge.won ? steal(&leg->description) : NULL;
    tell(r, leg->client, &leg->outcome, found, leg->ended_us - leg->began_us);
    if (found) {
        measure(r->env, found);
        if (is_poor(found) && is_second_choice(r, leg->client) && !r->env->only_client)
            shorten(found);
        *out = found;
        return true;
    }
    r->failed[leg->client - r->clients->list] = youtube_class_credit(leg->outcome.class) < 0;
    log_event(LOG_INFO, "youtube", "refused", leg->outcome.err.text, NULL);
    if (leg->outcome.class == CLASS_RATE_LIMITED)
        innertube_visitor_forget(r->env, leg->client);
    if (leg->outcome.class >= best->class || leg->outcome.err.code == ERR_BUSY)
        *best = leg->outcome;
    r->kind = youtube_kind_after(r->kind, leg->outcome.class);
    return false;
}

/* Asks *client, and where it is slow the next one, too. When nothing was found: *client and *class are of the
 * one that decides what follows. */
static bool ask_hedged(struct round *r, const struct client **client, const char *id, struct outcome *best,
                       struct description **out, enum youtube_class *class)
{
    const struct client *second;
    struct leg legs[2];
    r->asked[*client - r->clients->list] = true;
    leg_init(&legs[0], r, *client, id);
    int delay_ms = hedge_delay_ms(r, *client, &second);
    if (delay_ms > 0) {
        leg_init(&legs[1], r, second, id);
        hedge_run(&legs[0].hedge, &legs[1].hedge, delay_ms, r->clients->adaptive.hedge_grace_ms);
    } else {
        legs[1].hedge.began = false;
        legs[0].hedge.won = leg_run(&legs[0].hedge) != HEDGE_FAILED;
    }
    bool found = settle(r, &legs[0], best, out);
    *class = legs[0].outcome.class;
    if (legs[1].hedge.began && !(found && !legs[1].hedge.won)) {
        found = settle(r, &legs[1], best, out) || found;
        *client = second;
        *class = legs[1].outcome.class;
    }
    for (size_t i = 0; i < ARRAY_LEN(legs); i++) {
        if (i == 0 || delay_ms > 0)
            description_free(legs[i].description);
    }
    return found;
}

int youtube_describe(const struct site_env *env, const char *id, struct description **out, struct err *err)
{
    auto_ptr(clients) struct clients *clients = clients_acquire(env->clients_file);
    if (!clients)
        return err_set(err, ERR_INTERNAL, "no client profiles");
    struct round round = {.clients = clients, .env = env};
    struct outcome best = {.class = CLASS_UNAVAILABLE};
    struct date *date = date_begin(env, clients, id);
    hash_random(&round.random, sizeof round.random);
    (void)err_set(&best.err, ERR_UPSTREAM_FAILED, "no client can be asked");
    *out = NULL;
    for (const struct client *c = next_in_order(&round); c;) {
        enum youtube_class class;
        if (ask_hedged(&round, &c, id, &best, out, &class))
            break;
        if (best.err.code == ERR_BUSY) /* our own refusal: another client's poorer answer must not stand in */
            break;
        c = next_client(&round, c, class);
    }
    date_end(date, *out);
    if (!*out && err)
        *err = best.err;
    return *out ? 0 : -1;
}
