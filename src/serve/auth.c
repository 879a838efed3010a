/* See auth.h. */
#include "serve/auth.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cidr.h"
#include "base/clock.h"
#include "base/text.h"
#include "serve/budget.h"

enum { WINDOW_S = 3600, ONCE_S = 3600 };

/* --- who --- */

/* The key's text as it was sent; NULL: none. Errors: another way of authorisation. */
static int sent_key(const struct http_request *req, const char **text, struct err *err)
{
    static const char scheme[] = "Bearer ";
    *text = req->api_key;
    if (*text || !req->authorization)
        return 0;
    if (strncasecmp(req->authorization, scheme, sizeof scheme - 1) != 0)
        return err_set(err, ERR_BAD_KEY, "authorization of another kind");
    *text = req->authorization + sizeof scheme - 1;
    *text += strspn(*text, " ");
    return 0;
}

static int check_key(const struct store_api_key *key, const struct cidr_address *client, struct err *err)
{
    if (*key->addresses && (!client || !cidr_list_has(key->addresses, client)))
        return err_set(err, ERR_BAD_KEY, "key %s is not for this address", key->id);
    if (key->state != STORE_KEY_ACTIVE)
        return err_set(err, ERR_KEY_DISABLED, "key %s is %s", key->id, store_key_state_name(key->state));
    if (key->expires_unix_s && key->expires_unix_s <= clock_unix_s())
        return err_set(err, ERR_KEY_DISABLED, "key %s has expired", key->id);
    return 0;
}

static void set_policy(struct auth *who, int64_t limit, int64_t bytes_per_day, int64_t streams)
{
    who->policy = limit > 0 ? gcra_of(limit, WINDOW_S) : (struct gcra){0};
    who->bytes = budget_of(bytes_per_day);
    who->streams = streams;
}

void auth_address(const struct app *app, const struct http_request *req, char out[CIDR_TEXT_MAX])
{
    struct cidr_address address;
    (void)text_copy(out, CIDR_TEXT_MAX, "unknown"); /* who has none shares one quota */
    if (cidr_client(req->remote_addr, req->forwarded_for, app->config.trusted_proxies, &address) == 0)
        cidr_subscriber(&address, out);
}

static int be_anonymous(struct app *app, const struct http_request *req, struct auth *out, struct err *err)
{
    char address[CIDR_TEXT_MAX];
    char hash[STORE_ADDRESS_HASH_LEN + 1];
    if (strcmp(app->config.anonymous, "off") == 0)
        return err_set(err, ERR_AUTH_REQUIRED, "no key");
    set_policy(out, app->config.rate_anonymous, app->config.bytes_anonymous,
               app->config.max_streams_per_client);
    if (out->policy.limit == 0 && out->bytes.limit == 0 && out->streams == 0)
        return 0;
    auth_address(app, req, address);
    if (store_address_hash(app->store, address, hash, err) < 0)
        return -1;
    (void)snprintf(out->subject, sizeof out->subject, "a:%s", hash);
    return 0;
}

int auth_identify(struct app *app, const struct http_request *req, const char *token_key, struct auth *out,
                  struct err *err)
{
    struct cidr_address address;
    const struct cidr_address *client = &address;
    const char *text = NULL;
    *out = (struct auth){0};
    if (cidr_client(req->remote_addr, req->forwarded_for, app->config.trusted_proxies, &address) < 0)
        client = NULL;
    bool by_token = token_key && *token_key;
    if (!by_token && sent_key(req, &text, err) < 0)
        return -1;
    if (!by_token && !text)
        return be_anonymous(app, req, out, err);
    int found = by_token ? store_key_get(app->store, token_key, &out->key, err)
                         : store_key_check(app->store, text, &out->key, err);
    if (found <= 0)
        return found < 0 ? -1 : err_set(err, ERR_BAD_KEY, "no such key");
    if (check_key(&out->key, client, err) < 0)
        return -1;
    out->has_key = true;
    set_policy(out, out->key.rate_per_hour, out->key.bytes_per_day,
               out->key.streams_max ? out->key.streams_max : app->config.max_streams_per_client);
    (void)snprintf(out->subject, sizeof out->subject, "k:%s", out->key.id);
    return 0;
}

const char *auth_key_id(const struct auth *who)
{
    return who->has_key ? who->key.id : "";
}

/* --- for what --- */

static const char site_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-._";

bool auth_sites_are_valid(const char *list)
{
    for (const char *at = list; *at; at++) {
        size_t len = strspn(at, site_letters);
        if (len == 0 || (at[len] != ',' && at[len] != '\0') || (at[len] == ',' && at[len + 1] == '\0'))
            return false;
        at += at[len] ? len : len - 1;
    }
    return true;
}

int auth_check_site(const struct auth *who, const char *site, struct err *err)
{
    if (!who->has_key || !*who->key.sites)
        return 0;
    size_t wanted = strlen(site);
    for (const char *at = who->key.sites; *at; at++) {
        size_t len = strcspn(at, ",");
        if (len == wanted && strncasecmp(at, site, len) == 0)
            return 0;
        at += at[len] ? len : len - 1;
    }
    return err_set(err, ERR_SITE_NOT_ALLOWED, "key %s is for %s only", who->key.id, who->key.sites);
}

/* --- how much --- */

void auth_set_headers(struct http_response *res, const struct auth *who, int64_t full_unix_us,
                      int64_t now_unix_us)
{
    const struct gcra *p = &who->policy;
    const char *name = who->has_key ? "key" : "anonymous";
    if (p->limit == 0)
        return;
    (void)http_set_headerf(res, "RateLimit-Policy", "\"%s\";q=%lld;w=%lld", name, (long long)p->limit,
                           (long long)p->window_s);
    (void)http_set_headerf(res, "RateLimit", "\"%s\";r=%lld;t=%lld", name,
                           (long long)gcra_remaining(p, full_unix_us, now_unix_us),
                           (long long)gcra_full_s(full_unix_us, now_unix_us));
}

void auth_note(struct http_response *res, const struct auth *who)
{
    struct http_notes *notes = http_notes(res);
    http_note(notes->key, sizeof notes->key, auth_key_id(who));
}

/* The row that remembers that this link was paid for by this client. */
static void name_once(const struct auth *who, const char *once, char out[STORE_SUBJECT_MAX])
{
    char link[HASH_HEX_LEN + 1];
    hash_sha256_hex(once, strlen(once), link);
    (void)snprintf(out, STORE_SUBJECT_MAX, "o:%.32s:%s", link, who->subject);
}

static int refuse(const struct auth *who, int64_t full, int64_t now, struct err *err)
{
    (void)err_set(err, ERR_QUOTA_EXCEEDED, "%lld per hour are used up", (long long)who->policy.limit);
    if (err) {
        int64_t wait_s = gcra_retry_s(&who->policy, full, now);
        err->retry_after_s = wait_s > 1 ? (int)wait_s : 1;
    }
    return -1;
}

/* Refused, though another connection for the same link may be paying for it at this moment, or give back what
 * it took too much: 1 it has paid, 0 it has not. */
static int paid_meanwhile(struct app *app, const char *name, int64_t now, struct err *err)
{
    int paid = 0;
    for (unsigned wait_ms = 10; paid == 0 && wait_ms <= 80; wait_ms *= 2) {
        clock_sleep_ms(wait_ms);
        paid = store_rate_noted(app->store, name, now, err);
    }
    return paid;
}

int auth_charge(struct app *app, const struct auth *who, const char *once, struct http_response *res,
                struct err *err)
{
    char name[STORE_SUBJECT_MAX];
    int64_t now = clock_unix_us();
    int64_t full = now;
    const struct store_rate rate = {
        .subject = who->subject,
        .now_unix_us = now,
        .interval_us = who->policy.interval_us,
        .capacity_us = who->policy.capacity_us,
    };
    auth_note(res, who);
    if (who->policy.limit == 0)
        return 0;
    if (once) {
        name_once(who, once, name);
        int paid = store_rate_noted(app->store, name, now, err);
        if (paid < 0 || (paid && store_rate_look(app->store, &rate, &full, err) < 0))
            return -1;
        if (paid) {
            auth_set_headers(res, who, full, now);
            return 0;
        }
    }
    int admitted = store_rate_admit(app->store, &rate, &full, err);
    if (admitted < 0)
        return -1;
    if (admitted && once) {
        /* Several connections at once for one link: one of them pays. */
        int first = store_rate_note(app->store, name, now, now + ONCE_S * INT64_C(1000000), err);
        if (first < 0 || (!first && store_rate_refund(app->store, &rate, 1, err) < 0))
            return -1;
        full -= first ? 0 : rate.interval_us;
    } else if (once) {
        admitted = paid_meanwhile(app, name, now, err);
        if (admitted < 0 || (admitted && store_rate_look(app->store, &rate, &full, err) < 0))
            return -1;
    }
    auth_set_headers(res, who, full, now);
    return admitted ? 0 : refuse(who, full, now, err);
}

int auth_admit(struct app *app, const struct http_request *req, struct auth *out, struct http_response *res,
               struct err *err)
{
    return auth_identify(app, req, NULL, out, err) < 0 || auth_charge(app, out, NULL, res, err) < 0 ? -1 : 0;
}

/* `limit` 0: none; then there is nothing to go by. */
static int rescale(struct store *s, const char *subject, const struct gcra *before, const struct gcra *now,
                   struct err *err)
{
    const int64_t now_us = clock_unix_us();
    const struct store_rate rates[] = {{subject, now_us, before->interval_us, before->capacity_us},
                                       {subject, now_us, now->interval_us, now->capacity_us}};
    if (before->limit == now->limit || before->limit == 0 || now->limit == 0)
        return 0;
    return store_rate_rescale(s, &rates[0], &rates[1], err);
}

int auth_update_key(struct store *s, const struct store_api_key *key, struct err *err)
{
    struct store_api_key old;
    struct auth before, now;
    char bytes[STORE_SUBJECT_MAX];
    int rc = store_key_get(s, key->id, &old, err);
    if (rc <= 0 || (rc = store_key_update(s, key, err)) <= 0)
        return rc;
    set_policy(&before, old.rate_per_hour, old.bytes_per_day, 0);
    set_policy(&now, key->rate_per_hour, key->bytes_per_day, 0);
    (void)snprintf(now.subject, sizeof now.subject, "k:%s", key->id);
    budget_subject(now.subject, bytes);
    return rescale(s, now.subject, &before.policy, &now.policy, err) < 0 ||
                   rescale(s, bytes, &before.bytes, &now.bytes, err) < 0
               ? -1
               : 1;
}

int auth_check_config(const struct config *c, struct err *err)
{
    if (!cidr_list_is_valid(c->trusted_proxies))
        return err_set(err, ERR_INTERNAL, "trusted_proxies: addresses or CIDR blocks, not `%s`",
                       c->trusted_proxies);
    return 0;
}
