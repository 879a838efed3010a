/* What extraction has to work with: engines, clients, ways out, cookies, tokens; for the control room. */
#include "base/clock.h"
#include "serve/admin.h"
#include "serve/canary.h"
#include "serve/outward.h"
#include "serve/serve.h"
#include "serve/trial.h"
#include "site/youtube/clients.h"
#include "site/youtube/po_token.h"

static json_t *engines_json(const struct app *app)
{
    struct engine_state engines[ENGINES_MAX];
    size_t count = engines_look(&app->engines, engines);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:i, s:b}", "name", engines[i].name, "place",
                                                    engines[i].place, "ready", engines[i].ready));
    return list;
}

static int place_of(const struct clients *clients, const struct client *c)
{
    for (size_t i = 0; i < clients->order_count; i++) {
        if (clients->order[i] == c)
            return (int)i + 1;
    }
    return 0;
}

static json_t *profiles_json(const struct app *app)
{
    auto_ptr(clients) struct clients *clients = clients_acquire(app->clients_file);
    json_t *list = json_array();
    for (size_t i = 0; clients && i < clients->count; i++) {
        const struct client *c = &clients->list[i];
        bool ready = (!c->needs_js || app->site.js) &&
                     (!c->needs_po_token || po_token_obtainable(&app->site, c));
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:b, s:b, s:b}", "name", c->key,
                                                    "version", c->version, "place", place_of(clients, c),
                                                    "needs_player_script", c->needs_js, "needs_po_token",
                                                    c->needs_po_token, "ready", ready));
    }
    return list;
}

static json_t *ways_json(struct app *app)
{
    struct egress_way ways[EGRESS_WAYS_MAX];
    size_t count = egress_ways(app->net, ways);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:b, s:b}", "name", ways[i].name,
                                                    "place", ways[i].place, "weight", (int)ways[i].weight,
                                                    "failing", ways[i].ailing, "told_to_wait",
                                                    outward_is_left_alone(app, ways[i].name)));
    return list;
}

static json_t *cookies_json(const struct app *app)
{
    struct egress_cookies hosts[TRIAL_COOKIE_HOSTS_MAX];
    size_t count = egress_cookies(app->net, hosts, TRIAL_COOKIE_HOSTS_MAX);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list,
                                    json_pack("{s:o, s:i, s:i, s:o}", "name", admin_text(hosts[i].host),
                                              "count", (int)hosts[i].count, "expired", (int)hosts[i].expired,
                                              "expires_at", admin_time(hosts[i].expires_unix_s)));
    return list;
}

/* {"engines","profiles","ways","cookies","cookies_dir","player_scripts","pot_provider","po_tokens","canary",
 * "link","limit_s"}: `link` is what a test asks for where nothing else is said. */
int serve_admin_extraction(struct app *app, const struct http_request *req, struct http_response *res,
                           struct err *err)
{
    struct admin a;
    char link[LINK_MAX_BYTES];
    if (admin_enter(app, req, res, ADMIN_LOOK, &a, err) < 0)
        return -1;
    trial_usual_link(app, link);
    json_t *canary = canary_json(app);
    return admin_send(res,
                      json_pack("{s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:o, s:o, s:i}", "engines",
                                engines_json(app), "profiles", profiles_json(app), "ways", ways_json(app),
                                "cookies", cookies_json(app), "cookies_dir", *app->config.cookies_dir != 0,
                                "player_scripts", app->site.js != NULL, "pot_provider",
                                *app->config.pot_provider_url != 0, "po_tokens", *app->config.po_tokens != 0,
                                "canary", canary ? canary : json_null(), "link", admin_text(link), "limit_s",
                                trial_limit_ms(app) / 1000),
                      err);
}

/* Tries the one part that `part` and `name` say, with `link` or the usual one: see trial.h. */
int serve_admin_extraction_test(struct app *app, const struct http_request *req, struct http_response *res,
                                struct err *err)
{
    struct admin a;
    struct trial trial = {.link = http_param(req, "link")};
    const char *part;
    if (admin_enter(app, req, res, ADMIN_CHANGE, &a, err) < 0 || admin_param(req, "part", &part, err) < 0 ||
        admin_param(req, "name", &trial.name, err) < 0)
        return -1;
    if (trial_part_of(part, &trial.part) < 0)
        return err_set(err, ERR_BAD_REQUEST, "part: engine, client, way, cookies or tokens");
    json_t *result = trial_run(app, &trial, err);
    if (!result)
        return -1;
    json_t *outcome = json_pack("{s:O, s:O}", "code", json_object_get(result, "code"), "took_ms",
                                json_object_get(result, "took_ms"));
    json_t *subject = json_sprintf("%s %.100s", part, trial.name);
    int rc = admin_note(app, &a, "extraction-test", json_string_value(subject), NULL, outcome, err);
    json_decref(subject);
    if (rc < 0) {
        json_decref(result);
        return -1;
    }
    return admin_send(res, result, err);
}
