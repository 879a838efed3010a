/* API keys, for the admin pages: the same limits and rules as `sluice key`. */
#include <string.h>

#include "base/cidr.h"
#include "base/clock.h"
#include "base/text.h"
#include "serve/admin.h"
#include "serve/auth.h"
#include "serve/serve.h"
#include "store/keys.h"

enum { PAGE_MAX = 200, PAGE = 50, DAYS_MAX = 36500, DAY_S = 86400 };

static json_t *key_json(const struct store_api_key *key)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:o, s:o}", "id", key->id, "label",
                     key->label, "owner", key->owner, "state", store_key_state_name(key->state),
                     "rate_per_hour", (json_int_t)key->rate_per_hour, "bytes_per_day",
                     (json_int_t)key->bytes_per_day, "streams_max", (json_int_t)key->streams_max, "addresses",
                     key->addresses, "sites", key->sites, "created_at", admin_time(key->created_unix_s),
                     "expires_at", admin_time(key->expires_unix_s));
}

static void add_key(void *ctx, const struct store_api_key *key)
{
    json_t *one = key_json(key);
    (void)json_array_append_new(ctx, one ? one : json_null()); /* a label that is not UTF-8 */
}

int serve_admin_keys(struct app *app, const struct http_request *req, struct http_response *res,
                     struct err *err)
{
    struct admin a;
    int64_t total = 0;
    const char *search = http_param(req, "search");
    const char *order = http_param(req, "order");
    struct store_key_page page = {.search = search ? search : "", .order = order ? order : ""};
    if (admin_enter(app, req, res, ADMIN_LOOK, &a, err) < 0 ||
        admin_number(req, "limit", PAGE, PAGE_MAX, &page.limit, err) < 0 ||
        admin_number(req, "offset", 0, INT32_MAX, &page.offset, err) < 0)
        return -1;
    json_t *keys = json_array();
    if (store_key_list_page(app->store, &page, add_key, keys, &total, err) < 0) {
        json_decref(keys);
        return -1;
    }
    return admin_send(res, json_pack("{s:o, s:I}", "keys", keys, "total", (json_int_t)total), err);
}

/* ---- What is to be changed ---- */

static int read_text(const struct http_request *req, const char *name, char *out, size_t room,
                     struct err *err)
{
    const char *text = http_param(req, name);
    if (!text)
        return 0;
    if (text_copy(out, room, text) < 0)
        return err_set(err, ERR_BAD_REQUEST, "%s is longer than %zu bytes", name, room - 1);
    return 0;
}

/* The fields that the request has; others stay as they are. */
static int read_key(const struct http_request *req, struct store_api_key *key, struct err *err)
{
    int64_t days = -1;
    if (read_text(req, "label", key->label, sizeof key->label, err) < 0 ||
        read_text(req, "owner", key->owner, sizeof key->owner, err) < 0 ||
        read_text(req, "addresses", key->addresses, sizeof key->addresses, err) < 0 ||
        read_text(req, "sites", key->sites, sizeof key->sites, err) < 0 ||
        admin_number(req, "rate_per_hour", key->rate_per_hour, STORE_KEY_RATE_MAX, &key->rate_per_hour, err) <
            0 ||
        admin_number(req, "bytes_per_day", key->bytes_per_day, STORE_KEY_BYTES_MAX, &key->bytes_per_day,
                     err) < 0 ||
        admin_number(req, "streams_max", key->streams_max, STORE_KEY_STREAMS_MAX, &key->streams_max, err) <
            0 ||
        admin_number(req, "days", -1, DAYS_MAX, &days, err) < 0)
        return -1;
    if (days >= 0)
        key->expires_unix_s = days ? clock_unix_s() + days * DAY_S : 0;
    if (!*key->label)
        return err_set(err, ERR_BAD_REQUEST, "a key needs a label");
    if (*key->addresses && !cidr_list_is_valid(key->addresses))
        return err_set(err, ERR_BAD_REQUEST, "addresses: CIDR blocks, commas between");
    if (*key->sites && !auth_sites_are_valid(key->sites))
        return err_set(err, ERR_BAD_REQUEST, "sites: names as in \"site\", commas between");
    return 0;
}

int serve_admin_keys_create(struct app *app, const struct http_request *req, struct http_response *res,
                            struct err *err)
{
    struct admin a;
    struct store_api_key key = {.rate_per_hour = STORE_KEY_RATE_DEFAULT};
    char text[STORE_KEY_TEXT_LEN + 1];
    if (admin_enter(app, req, res, ADMIN_CHANGE, &a, err) < 0 || read_key(req, &key, err) < 0 ||
        store_key_create(app->store, &key, text, err) < 0 ||
        admin_note(app, &a, "key-create", key.id, NULL, key_json(&key), err) < 0)
        return -1;
    return admin_send(res, json_pack("{s:s, s:o}", "text", text, "key", key_json(&key)), err);
}

/* The key that "id" names. */
static int find_key(struct app *app, const struct http_request *req, struct store_api_key *key,
                    struct err *err)
{
    const char *id;
    if (admin_param(req, "id", &id, err) < 0)
        return -1;
    int rc = store_key_get(app->store, id, key, err);
    return rc == 0 ? err_set(err, ERR_NOT_FOUND, "no such key") : rc < 0 ? -1 : 0;
}

int serve_admin_keys_update(struct app *app, const struct http_request *req, struct http_response *res,
                            struct err *err)
{
    struct admin a;
    struct store_api_key key;
    if (admin_enter(app, req, res, ADMIN_CHANGE, &a, err) < 0 || find_key(app, req, &key, err) < 0)
        return -1;
    const struct store_api_key before = key;
    if (read_key(req, &key, err) < 0 || auth_update_key(app->store, &key, err) < 0 ||
        admin_note(app, &a, "key-update", key.id, key_json(&before), key_json(&key), err) < 0)
        return -1;
    return admin_send(res, json_pack("{s:o}", "key", key_json(&key)), err);
}

int serve_admin_keys_state(struct app *app, const struct http_request *req, struct http_response *res,
                           struct err *err)
{
    struct admin a;
    struct store_api_key key;
    const char *name;
    int state = -1;
    if (admin_enter(app, req, res, ADMIN_CHANGE, &a, err) < 0 || find_key(app, req, &key, err) < 0 ||
        admin_param(req, "state", &name, err) < 0)
        return -1;
    for (int i = STORE_KEY_ACTIVE; i <= STORE_KEY_REVOKED; i++)
        state = strcmp(name, store_key_state_name((enum store_key_state)i)) == 0 ? i : state;
    if (state < 0)
        return err_set(err, ERR_BAD_REQUEST, "state: active, disabled or revoked");
    const struct store_api_key before = key;
    int rc = store_key_set_state(app->store, key.id, (enum store_key_state)state, err);
    if (rc <= 0)
        return rc < 0 ? -1 : err_set(err, ERR_BAD_REQUEST, "a revoked key stays revoked");
    key.state = (enum store_key_state)state;
    if (admin_note(app, &a, "key-state", key.id,
                   json_pack("{s:s}", "state", store_key_state_name(before.state)),
                   json_pack("{s:s}", "state", name), err) < 0)
        return -1;
    return admin_send(res, json_pack("{s:o}", "key", key_json(&key)), err);
}
