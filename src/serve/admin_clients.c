/* The client data of the site (client_data.h) for the control room: what is in force and where it comes from;
 * checked, saved, taken back. */
#include <string.h>

#include "base/text.h"
#include "serve/admin.h"
#include "serve/client_data.h"
#include "serve/serve.h"
#include "site/youtube/clients.h"
#include "store/client_versions.h"

/* ---- What there is ---- */

/* Whether it can be used; else *why names the place. */
static bool is_good(const struct buf *text, struct err *why)
{
    auto_ptr(clients) struct clients *clients = NULL;
    *why = (struct err){.code = ERR_OK};
    return clients_parse(&clients, buf_str(text), text->len, why) == 0;
}

static void hash_of(const struct buf *text, char out[HASH_HEX_LEN + 1])
{
    hash_sha256_hex(buf_str(text), text->len, out);
}

/* Names of a version are its times; as a text, since JSON's numbers end before 64 bits do. */
static void add_version(void *ctx, const struct store_client_version *v)
{
    (void)json_array_append_new(ctx, json_pack("{s:o, s:o, s:s, s:s, s:I}", "id",
                                               json_sprintf("%lld", (long long)v->at_unix_us), "at",
                                               admin_time(v->at_unix_us / 1000000), "name", v->name, "sha256",
                                               v->sha256, "bytes", (json_int_t)v->bytes));
}

static int send_version(struct app *app, int64_t id, struct http_response *res, struct err *err)
{
    auto_(buf) struct buf text = BUF_INIT(CLIENTS_MAX_BYTES);
    int rc = store_client_version_get(app->store, id, &text, err);
    if (rc <= 0)
        return rc < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "no such version");
    return admin_send(res, json_pack("{s:s}", "text", buf_str(&text)), err);
}

/* {"source","file","editable","text","sha256","error","built_in","versions":[…]}; with `version`, only the
 * {"text"} of that one. A file that is no UTF-8 is shown with its bad bytes replaced. */
int serve_admin_client_data(struct app *app, const struct http_request *req, struct http_response *res,
                            struct err *err)
{
    struct admin a;
    struct err why;
    int64_t version;
    bool built_in;
    char hash[HASH_HEX_LEN + 1];
    auto_(buf) struct buf text = BUF_INIT(CLIENTS_MAX_BYTES);
    auto_(buf) struct buf clean = BUF_INIT((size_t)3 * CLIENTS_MAX_BYTES);
    if (admin_enter(app, req, res, ADMIN_LOOK, &a, err) < 0 ||
        admin_number(req, "version", 0, INT64_MAX, &version, err) < 0)
        return -1;
    if (version)
        return send_version(app, version, res, err);
    if (client_data_read(app, &text, &built_in, err) < 0)
        return -1;
    if (text_utf8_clean(&clean, buf_str(&text), text.len) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    bool good = is_good(&text, &why);
    hash_of(&text, hash);
    json_t *versions = json_array();
    if (store_client_version_list(app->store, add_version, versions, err) < 0) {
        json_decref(versions);
        return -1;
    }
    return admin_send(res,
                      json_pack("{s:s, s:s, s:b, s:s, s:s, s:o, s:s, s:o}", "source",
                                built_in ? "built_in" : "file", "file", app->clients_file, "editable",
                                client_data_is_editable(app), "text", buf_str(&clean), "sha256", hash,
                                "error", good ? json_string("") : admin_text(why.text), "built_in",
                                clients_built_in(), "versions", versions),
                      err);
}

/* The `text` of a request: base64url, as no control character (an end of line is one) passes the edge. */
static int read_given(const struct http_request *req, struct buf *text, struct err *err)
{
    const char *coded;
    if (admin_param(req, "text", &coded, err) < 0)
        return -1;
    if (hash_base64url_decode(text, coded, strlen(coded)) < 0)
        return err_set(err, ERR_BAD_REQUEST, "text: no base64url, or too long");
    return 0;
}

/* {"ok","error"}: whether `text` could be saved, else what is wrong with it, and where. */
int serve_admin_client_check(struct app *app, const struct http_request *req, struct http_response *res,
                             struct err *err)
{
    struct admin a;
    struct err why;
    auto_(buf) struct buf text = BUF_INIT(CLIENTS_MAX_BYTES);
    if (admin_enter(app, req, res, ADMIN_CHANGE, &a, err) < 0 || read_given(req, &text, err) < 0)
        return -1;
    bool good = is_good(&text, &why);
    return admin_send(
        res, json_pack("{s:b, s:o}", "ok", good, "error", good ? json_string("") : admin_text(why.text)),
        err);
}

/* ---- Changing it ---- */

/* `text`, that of `version`, or with `built_in` none of its own any more; of what has `base` for its hash.
 * ERR_PRECONDITION_FAILED: it has not. */
int serve_admin_client_save(struct app *app, const struct http_request *req, struct http_response *res,
                            struct err *err)
{
    struct admin a;
    int64_t version;
    int64_t built_in;
    const char *base;
    auto_(buf) struct buf text = BUF_INIT(CLIENTS_MAX_BYTES);
    if (admin_enter(app, req, res, ADMIN_CHANGE, &a, err) < 0 || admin_param(req, "base", &base, err) < 0 ||
        admin_number(req, "version", 0, INT64_MAX, &version, err) < 0 ||
        admin_number(req, "built_in", 0, 1, &built_in, err) < 0)
        return -1;
    if (!client_data_is_editable(app))
        return err_set(err, ERR_FORBIDDEN, "clients_file is the operator's");
    int found = version ? store_client_version_get(app->store, version, &text, err) : 1;
    if (found <= 0)
        return found < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "no such version");
    if (!version && !built_in && read_given(req, &text, err) < 0)
        return -1;
    struct err why;
    if (!built_in && !is_good(&text, &why))
        return err_set(err, ERR_BAD_REQUEST, "%.200s", why.text);
    char after[HASH_HEX_LEN + 1];
    const char *fresh = built_in ? clients_built_in() : buf_str(&text);
    hash_sha256_hex(fresh, strlen(fresh), after);
    if (client_data_save(app, a.session.name, built_in ? NULL : fresh, base, err) < 0 ||
        admin_note(app, &a, built_in ? "clients-built-in" : "clients-save", "clients.json",
                   json_pack("{s:s}", "sha256", base), json_pack("{s:s}", "sha256", after), err) < 0)
        return -1;
    return admin_send(res, json_pack("{s:b}", "saved", 1), err);
}
