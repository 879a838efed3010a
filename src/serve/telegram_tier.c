/* The tier "telegram": finished outputs in a channel, sent after their first download and read from there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "serve/jobs.h"
#include "serve/output.h"
#include "serve/telegram.h"
#include "serve/tier.h"

enum { PROGRESS_BYTES = 1 << 20 };

/* The settings as they are now; 0 or -1: nothing is kept there. */
static int open_telegram(struct telegram *t, struct app *app, struct err *err)
{
    return telegram_init(t, &app->config, app->net, app->store, app->cache, err);
}

static void rules(struct app *app, struct tier_rules *out)
{
    struct telegram t;
    struct err ignored = {0};
    *out = (struct tier_rules){
        .on = open_telegram(&t, app, &ignored) == 1,
        .max_bytes = telegram_size_max(&app->config),
        .after = 1,
        .ttl_s = app->config.telegram_ttl_s,
    };
}

/* ---- References: "BOT CHAT MESSAGE FILE_ID" ---- */

struct reference {
    char bot[TELEGRAM_BOT_MAX + 1];
    char chat[TELEGRAM_CHAT_MAX + 1];
    int64_t message;
    const char *file_id; /* borrowed */
};

/* The next word, and what comes behind the blank after it; NULL: it is longer, or the last. */
static const char *take_word(const char *text, char *out, size_t room)
{
    size_t len = text ? strcspn(text, " ") : room;
    if (len >= room || text[len] != ' ')
        return NULL;
    memcpy(out, text, len);
    out[len] = '\0';
    return text + len + 1;
}

/* What another bot has sent this one can neither read nor delete: 0. */
static int read_reference(const char *text, const struct telegram *t, struct reference *out)
{
    char number[24];
    uint64_t message;
    *out = (struct reference){.file_id = NULL};
    const char *rest = take_word(text, out->bot, sizeof out->bot);
    rest = take_word(rest, out->chat, sizeof out->chat);
    rest = take_word(rest, number, sizeof number);
    if (!rest || text_parse_u64(number, 0, INT64_MAX, &message) < 0 || strcmp(out->bot, t->bot) != 0)
        return 0;
    out->message = (int64_t)message;
    out->file_id = rest;
    return 1;
}

/* ---- Finding ---- */

static int find(struct app *app, const struct store_content *c, const struct tier_ask *ask,
                struct tier_way *out, struct err *err)
{
    struct telegram t;
    struct reference r;
    auto_(buf) struct buf url = BUF_INIT(TELEGRAM_URL_MAX);
    int on = open_telegram(&t, app, err);
    if (on <= 0)
        return on < 0 ? -1 : err_set(err, ERR_BUSY, "Telegram is not used now");
    if (!read_reference(c->reference, &t, &r))
        return err_set(err, ERR_NOT_FOUND, "it was sent by another bot");
    if (telegram_locate(&t, r.file_id, ask->stale ? ask->stale->at : NULL, &url, err) < 0)
        return -1;
    *out = (struct tier_way){.kind = TIER_URL, .at = buf_steal(&url), .egress = strdup(t.egress)};
    if (out->at && out->egress)
        return 0;
    tier_way_fini(out);
    return err_set(err, ERR_INTERNAL, "out of memory");
}

/* ---- Keeping ---- */

struct keeping {
    const struct tier_keep *k;
    uint64_t done, shown;
};

static int read_output(void *ctx, void *to, size_t room, size_t *got, struct err *err)
{
    struct keeping *keeping = ctx;
    if (output_read(keeping->k->output, to, room, got, err) < 0)
        return -1;
    keeping->done += *got;
    if (keeping->done - keeping->shown >= PROGRESS_BYTES) {
        keeping->shown = keeping->done;
        job_progress(keeping->k->job, keeping->done, keeping->k->content->bytes, "sending it to Telegram");
    }
    return 0;
}

/* Borrows from the output, until it is read. */
static struct telegram_upload upload_of(const struct tier_keep *k)
{
    const struct description *d = output_description(k->output);
    const struct choice *c = output_choice(k->output);
    return (struct telegram_upload){
        .name = k->name,
        .mime = c->mime,
        .title = d->title,
        .performer = d->author,
        .duration_ms = d->duration_ms,
        .width = c->formats[0]->width,
        .height = c->formats[0]->height,
        .length = k->content->bytes,
    };
}

static int keep(const struct tier_keep *k, struct buf *reference, struct err *err)
{
    struct telegram t;
    struct telegram_file file;
    struct keeping keeping = {.k = k};
    const struct telegram_bytes bytes = {read_output, &keeping, job_cancelled(k->job)};
    int on = open_telegram(&t, k->app, err);
    if (on <= 0)
        return on < 0 ? -1 : err_set(err, ERR_BUSY, "Telegram is not used now");
    const struct telegram_upload upload = upload_of(k);
    if (output_begin(k->output, 0, err) < 0)
        return -1;
    if (telegram_send(&t, &upload, &bytes, &file, err) < 0) {
        if (err->code == ERR_FORBIDDEN) { /* which is not this content's fault */
            err->code = ERR_RATE_LIMITED_UPSTREAM;
            err->retry_after_s = TELEGRAM_DENIED_S;
        }
        return -1;
    }
    if (telegram_verify(&t, file.id, k->content->bytes, err) < 0) {
        struct err ignored = {0};
        (void)telegram_delete(&t, t.chat, file.message, &ignored);
        return -1;
    }
    if (buf_addf(reference, "%s %s %" PRId64 " %s", t.bot, t.chat, file.message, file.id) < 0)
        return err_set(err, ERR_INTERNAL, "what Telegram calls it is too long");
    return 0;
}

static int drop(struct app *app, const struct store_content *c, struct err *err)
{
    struct telegram t;
    struct reference r;
    int on = open_telegram(&t, app, err);
    if (on <= 0)
        return on;
    return read_reference(c->reference, &t, &r) ? telegram_delete(&t, r.chat, r.message, err) : 0;
}

const struct tier telegram_tier = {
    .name = "telegram",
    .rules = rules,
    .find = find,
    .keep = keep,
    .drop = drop,
};
