/* The doctor's checks of the outside world: can it be reached, are certificates known, is the clock right. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/egress.h"
#include "serve/doctor_impl.h"
#include "serve/s3.h"
#include "serve/telegram.h"

/* Answers 204 and nothing, to anybody. */
static const char asked_url[] = "https://www.youtube.com/generate_204";

enum { CLOCK_WARN_S = 30, CLOCK_FAIL_S = 300, BODY_MAX_BYTES = 65536 };

static void check_certificates(struct doctor *d)
{
    const char *where = net_certificates();
    if (!d->reached && (!where || access(where, R_OK) < 0))
        doctor_say(d, DOCTOR_FAIL, "apt-get install ca-certificates", "no certificates of the world in %s",
                   where ? where : "any place known to libcurl");
}

/* `late_us`: how long the answer took, in which the server's time has moved on. */
static void check_clock(struct doctor *d, const struct net_answer *answer, int64_t late_us)
{
    int64_t ahead_s = clock_unix_s() - answer->date_unix_s;
    if (!answer->date_unix_s)
        return;
    int64_t off_s = llabs(ahead_s) - late_us / 1000000;
    if (off_s <= CLOCK_WARN_S) {
        doctor_say(d, DOCTOR_OK, NULL, "the clock is right, to %d s", CLOCK_WARN_S);
        return;
    }
    doctor_say(
        d, off_s > CLOCK_FAIL_S ? DOCTOR_FAIL : DOCTOR_WARN, "timedatectl set-ntp true",
        "this machine's clock is %lld s %s: links end early or late, and certificates may not be taken",
        (long long)llabs(ahead_s), ahead_s > 0 ? "fast" : "slow");
}

/* By one way out; `name` says which, for people. */
static void ask(struct doctor *d, struct net *net, const char *egress, const char *name)
{
    struct err err = {0};
    auto_(net_answer) struct net_answer answer = {0};
    const struct net_call call = {.url = asked_url, .max_bytes = BODY_MAX_BYTES, .egress = egress};
    int64_t started_us = clock_mono_us();
    if (net_call(net, &call, &answer, &err) < 0) {
        doctor_say(d, DOCTOR_FAIL,
                   *d->config->proxy_url ? "proxy_url = (without it); or: curl -sSI -x PROXY "
                                           "https://www.youtube.com/generate_204"
                                         : "curl -sSI https://www.youtube.com/generate_204",
                   "www.youtube.com cannot be reached%s: %s", name, err.text);
        return;
    }
    int64_t took_us = clock_mono_us() - started_us;
    if (answer.status == 429 || answer.status == 403)
        doctor_say(d, DOCTOR_WARN, "proxy_url = (a way out with another address)",
                   "www.youtube.com answers %d%s: that address is limited or blocked", answer.status, name);
    else
        doctor_say(d, DOCTOR_OK, NULL, "www.youtube.com answered in %lld ms%s", (long long)(took_us / 1000),
                   name);
    if (!d->reached)
        check_clock(d, &answer, took_us);
    d->reached = true;
}

void doctor_upstream(struct doctor *d)
{
    struct err err = {0};
    struct egress_way ways[EGRESS_WAYS_MAX];
    if (d->opts->offline) {
        doctor_say(d, DOCTOR_OK, NULL, "not asked");
        return;
    }
    struct net *net = doctor_net(d, &err);
    if (!net) {
        doctor_say(d, DOCTOR_FAIL, "sluice config --check", "%s", err.text);
        return;
    }
    size_t count = egress_ways(net, ways);
    for (size_t i = 0; i < count; i++) {
        char egress[EGRESS_MAX];
        char name[96] = "";
        if (count > 1)
            (void)snprintf(name, sizeof name, ", by way %zu of %zu in proxy_url", i + 1, count);
        else if (*d->config->proxy_url)
            (void)snprintf(name, sizeof name, ", through proxy_url");
        egress_name(net, &ways[i], false, egress);
        ask(d, net, egress, name);
    }
    check_certificates(d);
}

/* The token is in no text: not in ours, and not in those of telegram.c. */
void doctor_telegram(struct doctor *d)
{
    struct telegram t;
    struct err err = {0};
    auto_(buf) struct buf name = BUF_INIT(256);
    if (!*d->config->telegram_token) {
        doctor_say(d, DOCTOR_OK, NULL, "not used");
        return;
    }
    struct net *net = doctor_net(d, &err);
    int on = net ? telegram_init(&t, d->config, net, NULL, NULL, &err) : -1;
    if (on < 0) {
        doctor_say(d, DOCTOR_FAIL, "sluice config --check", "%s", err.text);
    } else if (d->opts->offline) {
        doctor_say(d, DOCTOR_OK, NULL, "not asked");
    } else if (telegram_try(&t, &name, &err) == 0) {
        doctor_say(d, DOCTOR_OK, NULL, "the bot @%s may post in %s", buf_str(&name), t.chat);
    } else if (err.code == ERR_FORBIDDEN && name.len == 0) {
        doctor_say(d, DOCTOR_WARN, "telegram_token = (from @BotFather, by /token)",
                   "telegram_token is no bot's: nothing is kept at Telegram (%s)", err.text);
    } else if (err.code == ERR_FORBIDDEN) {
        doctor_say(d, DOCTOR_WARN, "telegram_chat = (a channel; the bot one of its administrators)",
                   "the bot has no use of telegram_chat: nothing is kept at Telegram (%s)", err.text);
    } else {
        doctor_say(d, DOCTOR_WARN, "curl -sSI (telegram_api_url)", "%s cannot be asked: %s", t.api, err.text);
    }
}

/* No credentials in it: s3.c has none in its texts. */
void doctor_s3(struct doctor *d)
{
    struct err err = {0};
    auto_ptr(s3) struct s3 *s3 = NULL;
    struct net *net = doctor_net(d, &err);
    if (!net || s3_open(&s3, d->config, &err) < 0) {
        doctor_say(d, DOCTOR_FAIL, "sluice config --check", "%s", err.text);
        return;
    }
    const struct s3_way way = {s3, net, NULL};
    if (!s3) {
        doctor_say(d, DOCTOR_OK, NULL, "not used");
    } else if (d->opts->offline) {
        doctor_say(d, DOCTOR_OK, NULL, "not asked");
    } else if (s3_try(&way, &err) == 0) {
        doctor_say(d, DOCTOR_OK, NULL, "%s answers, and knows us", s3_place(s3));
    } else if (err.code == ERR_STORAGE_REFUSED) {
        doctor_say(d, DOCTOR_WARN,
                   "s3_access_key, s3_secret_key = (with the rights to put, get, list, abort)",
                   "%s refuses our credentials: nothing can be sent there (%s)", s3_place(s3), err.text);
    } else if (err.code == ERR_STORAGE_MISSING || err.code == ERR_NOT_FOUND) {
        doctor_say(d, DOCTOR_WARN, "s3_bucket = (one that exists)", "there is no %s (%s)", s3_place(s3),
                   err.text);
    } else {
        doctor_say(d, DOCTOR_WARN, "curl -sSI (s3_endpoint)", "%s cannot be asked: %s", s3_place(s3),
                   err.text);
    }
}
