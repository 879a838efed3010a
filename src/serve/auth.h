/* Who asks, and whether they still may: called by every endpoint that does work, before the work.
 *
 * A key comes as `Authorization: Bearer`, as `X-API-Key`, or sealed in a `data` link that was made with it:
 * such a link counts against that key, and dies with it. Without a key a client is its address (IPv6: its
 * /64), known to the store only as a hash under a key of the day.
 *
 * What costs one request of the hourly quota: a description (also one from memory), and the beginning of a
 * download. More requests for the same `data` link by the same client within the hour cost nothing, so that
 * players, download managers and broken connections do not use up the quota; pictures cost nothing. Every
 * answer, the refusal too, carries RateLimit-Policy and RateLimit.
 * Beside that: bytes per day (budget.h), streams at once (shown.h), and for keys the sites they are for.
 * Errors: ERR_AUTH_REQUIRED, ERR_BAD_KEY (malformed, unknown, or not from this address), ERR_KEY_DISABLED
 * (or revoked, or expired), ERR_QUOTA_EXCEEDED with retry_after_s; ERR_BUSY, ERR_INTERNAL the database. */
#ifndef SLUICE_SERVE_AUTH_H
#define SLUICE_SERVE_AUTH_H

#include "base/cidr.h"
#include "gate/gcra.h"
#include "serve/app.h"
#include "store/keys.h"
#include "store/rate.h"

/* "a:" or "k:" and a hash or an id. */
enum { AUTH_SUBJECT_MAX = 2 + STORE_ADDRESS_HASH_LEN + 1 };

/* Who asks. */
struct auth {
    bool has_key;
    struct store_api_key key; /* if has_key */
    char subject[AUTH_SUBJECT_MAX];
    struct gcra policy; /* limit 0: none */
    struct gcra bytes;  /* a day, in the units of budget.h; limit 0: none */
    int64_t streams;    /* at once; 0: no limit */
};

/* The address that asks, as one subscriber is taken for (IPv6: its /64); "unknown" when there is none. Not to
 * be written anywhere. */
void auth_address(const struct app *app, const struct http_request *req, char out[CIDR_TEXT_MAX]);
/* Finds out who asks. `token_key`: the key id of a `data` link; NULL or "": none. Charges nothing. */
int auth_identify(struct app *app, const struct http_request *req, const char *token_key, struct auth *out,
                  struct err *err);
/* Charges one request. `once` (may be NULL): the text of a `data` link. */
int auth_charge(struct app *app, const struct auth *who, const char *once, struct http_response *res,
                struct err *err);
/* Both. */
int auth_admit(struct app *app, const struct http_request *req, struct auth *out, struct http_response *res,
               struct err *err);
/* Whether a key may be used for this site (description.site): ERR_SITE_NOT_ALLOWED. Anybody else may. */
int auth_check_site(const struct auth *who, const char *site, struct err *err);
/* Whether a list is one of sites: names of small letters, digits, '-', '.' and '_', commas between. */
bool auth_sites_are_valid(const char *list);
/* For the books. */
void auth_note(struct http_response *res, const struct auth *who);
/* The id for links: "" without a key. */
const char *auth_key_id(const struct auth *who);
/* RateLimit-Policy and RateLimit, after something was charged or not. */
void auth_set_headers(struct http_response *res, const struct auth *who, int64_t full_unix_us,
                      int64_t now_unix_us);

/* store_key_update(), and what was used of the old limits is used of the new ones: who raises a limit that is
 * used up lets requests through at once. 1 done, 0 there is no such key, -1 error. */
int auth_update_key(struct store *s, const struct store_api_key *key, struct err *err);

/* Whether the settings that concern this read. */
int auth_check_config(const struct config *c, struct err *err);

#endif
