/* Signing in and out, one's own password, and who else may come in.
 *
 * A password costs 64 MiB and some 60 ms to check, so few are checked at once. Wrong ones are counted by name
 * and by address before they are looked at, so that guessing in parallel gains nothing. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "serve/admin.h"
#include "serve/auth.h"
#include "serve/serve.h"
#include "store/rate.h"
#include "store/second_factor.h"

enum { CHECKS_AT_ONCE = 2 };

static pthread_mutex_t check_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t check_done = PTHREAD_COND_INITIALIZER;
static int checks; /* under way; guarded by check_lock */

static int check_password(struct app *app, const char *name, const char *password, struct store_admin *out,
                          struct err *err)
{
    (void)pthread_mutex_lock(&check_lock);
    while (checks == CHECKS_AT_ONCE)
        (void)pthread_cond_wait(&check_done, &check_lock);
    checks++;
    (void)pthread_mutex_unlock(&check_lock);
    int rc = store_admin_check(app->store, name, password, out, err);
    (void)pthread_mutex_lock(&check_lock);
    checks--;
    (void)pthread_cond_signal(&check_done);
    (void)pthread_mutex_unlock(&check_lock);
    return rc;
}

/* ---- Wrong ones ---- */

struct subjects {
    char name[2 + STORE_ADMIN_NAME_MAX + 1];
    char address[2 + STORE_ADDRESS_HASH_LEN + 1];
};

static int find_subjects(struct app *app, const struct http_request *req, const char *name,
                         struct subjects *out, struct err *err)
{
    char address[CIDR_TEXT_MAX];
    char hash[STORE_ADDRESS_HASH_LEN + 1];
    auth_address(app, req, address);
    if (store_address_hash(app->store, address, hash, err) < 0)
        return -1;
    (void)snprintf(out->name, sizeof out->name, "u:%s", name);
    (void)snprintf(out->address, sizeof out->address, "a:%s", hash);
    return 0;
}

static int try_subject(struct app *app, const char *subject, struct err *err)
{
    int wait_s = 0;
    int rc = store_login_try(app->store, subject, clock_unix_s(), &wait_s, err);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    (void)err_set(err, ERR_QUOTA_EXCEEDED, "too many wrong passwords");
    err->retry_after_s = wait_s;
    return -1;
}

int admin_prove(struct app *app, const struct admin *who, const char *password, struct err *err)
{
    struct store_admin found;
    char subject[2 + STORE_ADMIN_NAME_MAX + 1];
    (void)snprintf(subject, sizeof subject, "u:%s", who->session.name);
    if (try_subject(app, subject, err) < 0)
        return -1;
    int rc = check_password(app, who->session.name, password, &found, err);
    if (rc <= 0)
        return rc < 0 ? -1 : err_set(err, ERR_BAD_LOGIN, "that is not the password");
    return store_login_forget(app->store, subject, err);
}

/* After the password was right: whether a code is needed, and was given. *left: recovery codes that remain,
 * -1 where there is no second factor. */
static int check_second_factor(struct app *app, const char *name, const char *code, int *left,
                               struct err *err)
{
    *left = -1;
    int rc = store_totp_is_on(app->store, name, err);
    if (rc <= 0)
        return rc;
    rc = code && *code ? store_totp_use(app->store, name, code, clock_unix_s(), left, err) : 0;
    if (rc == 0)
        return err_set(err, ERR_CODE_REQUIRED, "no code, a wrong one, or one that has been used");
    return rc < 0 ? -1 : 0;
}

/* ---- Cookie ---- */

static int set_cookie(const struct http_request *req, struct http_response *res, const char *text)
{
    const char *path = req->https || !*req->prefix ? "/" : req->prefix; /* __Host- needs the former */
    return http_set_headerf(res, "Set-Cookie", "%s=%s; Path=%s; HttpOnly; SameSite=Strict%s%s",
                            admin_cookie_name(req), text, path, req->https ? "; Secure" : "",
                            *text ? "" : "; Max-Age=0");
}

static json_t *session_json(const struct admin *a, bool second_factor)
{
    return json_pack("{s:s, s:s, s:s, s:b, s:o, s:o}", "name", a->session.name, "role",
                     a->session.may_change ? "admin" : "viewer", "csrf_token", a->csrf, "second_factor",
                     second_factor, "signed_in_at", admin_time(a->session.created_unix_s), "expires_at",
                     admin_time(a->session.created_unix_s + STORE_SESSION_MAX_S));
}

/* ---- Routes ---- */

int serve_admin_login(struct app *app, const struct http_request *req, struct http_response *res,
                      struct err *err)
{
    struct subjects subjects;
    struct store_admin who;
    struct admin a = {.csrf = ""};
    const char *name;
    const char *password;
    int left;
    if (admin_check_origin(req, err) < 0 || admin_param(req, "name", &name, err) < 0 ||
        admin_param(req, "password", &password, err) < 0)
        return -1;
    if (!store_admin_name_is_valid(name))
        name = "-"; /* which is nobody's; as many tries and as long as with any other */
    if (find_subjects(app, req, name, &subjects, err) < 0 || try_subject(app, subjects.address, err) < 0 ||
        try_subject(app, subjects.name, err) < 0)
        return -1;
    int rc = check_password(app, name, password, &who, err);
    if (rc <= 0)
        return rc < 0 ? -1 : err_set(err, ERR_BAD_LOGIN, "wrong name or password");
    if (check_second_factor(app, name, http_param(req, "code"), &left, err) < 0 ||
        store_login_forget(app->store, subjects.address, err) < 0 ||
        store_login_forget(app->store, subjects.name, err) < 0 ||
        store_session_begin(app->store, who.name, a.text, err) < 0)
        return -1;
    (void)text_copy(a.session.name, sizeof a.session.name, who.name);
    a.session.may_change = who.may_change;
    a.session.created_unix_s = clock_unix_s();
    admin_csrf(a.text, a.csrf);
    json_t *how = left < 0 ? NULL : json_pack("{s:i}", "recovery_codes_left", left);
    if (admin_note(app, &a, "login", who.name, NULL, how, err) < 0)
        return -1;
    (void)set_cookie(req, res, a.text);
    return admin_send(res, session_json(&a, left >= 0), err);
}

int serve_admin_session(struct app *app, const struct http_request *req, struct http_response *res,
                        struct err *err)
{
    struct admin a;
    if (admin_enter(app, req, res, ADMIN_LOOK, &a, err) < 0)
        return -1;
    int on = store_totp_is_on(app->store, a.session.name, err);
    return on < 0 ? -1 : admin_send(res, session_json(&a, on == 1), err);
}

int serve_admin_logout(struct app *app, const struct http_request *req, struct http_response *res,
                       struct err *err)
{
    struct admin a;
    const char *everywhere = http_param(req, "everywhere");
    if (admin_enter(app, req, res, ADMIN_OWN, &a, err) < 0)
        return -1;
    int rc = everywhere && (strcmp(everywhere, "1") == 0 || strcmp(everywhere, "true") == 0)
                 ? store_session_end_of(app->store, a.session.name, NULL, err)
                 : store_session_end(app->store, a.text, err);
    if (rc < 0 || admin_note(app, &a, "logout", a.session.name, NULL, NULL, err) < 0)
        return -1;
    (void)set_cookie(req, res, "");
    return admin_send(res, json_pack("{s:b}", "signed_out", 1), err);
}

int serve_admin_password(struct app *app, const struct http_request *req, struct http_response *res,
                         struct err *err)
{
    struct admin a;
    const char *old;
    const char *new;
    if (admin_enter(app, req, res, ADMIN_OWN, &a, err) < 0 || admin_param(req, "old", &old, err) < 0 ||
        admin_param(req, "new", &new, err) < 0 || admin_prove(app, &a, old, err) < 0 ||
        store_admin_set_password(app->store, a.session.name, new, a.text, err) < 0 ||
        admin_note(app, &a, "password", a.session.name, NULL, NULL, err) < 0)
        return -1;
    return admin_send(res, json_pack("{s:b}", "changed", 1), err);
}

/* ---- Users ---- */

static json_t *user_json(const struct store_admin *who)
{
    return json_pack("{s:s, s:s, s:b, s:o, s:o}", "name", who->name, "role",
                     who->may_change ? "admin" : "viewer", "active", who->active, "created_at",
                     admin_time(who->created_unix_s), "password_changed_at", admin_time(who->changed_unix_s));
}

static void add_user(void *ctx, const struct store_admin *who)
{
    (void)json_array_append_new(ctx, user_json(who));
}

int serve_admin_users(struct app *app, const struct http_request *req, struct http_response *res,
                      struct err *err)
{
    struct admin a;
    if (admin_enter(app, req, res, ADMIN_LOOK, &a, err) < 0)
        return -1;
    json_t *users = json_array();
    int rc = store_admin_list(app->store, add_user, users, err);
    for (size_t i = 0; rc >= 0 && i < json_array_size(users); i++) {
        json_t *user = json_array_get(users, i);
        rc = store_totp_is_on(app->store, json_string_value(json_object_get(user, "name")), err);
        (void)json_object_set_new(user, "second_factor", json_boolean(rc == 1));
    }
    if (rc < 0) {
        json_decref(users);
        return -1;
    }
    return admin_send(res, json_pack("{s:o}", "users", users), err);
}

static int read_role(const struct http_request *req, bool *may_change, struct err *err)
{
    const char *role;
    if (admin_param(req, "role", &role, err) < 0)
        return -1;
    *may_change = strcmp(role, "admin") == 0;
    return *may_change || strcmp(role, "viewer") == 0
               ? 0
               : err_set(err, ERR_BAD_REQUEST, "role: admin or viewer");
}

int serve_admin_users_create(struct app *app, const struct http_request *req, struct http_response *res,
                             struct err *err)
{
    struct admin a;
    const char *name;
    const char *password;
    bool may_change;
    if (admin_enter(app, req, res, ADMIN_CHANGE, &a, err) < 0 || admin_param(req, "name", &name, err) < 0 ||
        admin_param(req, "password", &password, err) < 0 || read_role(req, &may_change, err) < 0)
        return -1;
    int rc = store_admin_create(app->store, name, password, may_change, err);
    if (rc <= 0)
        return rc < 0 ? -1 : err_set(err, ERR_BAD_REQUEST, "that name is taken");
    if (admin_note(app, &a, "user-create", name, NULL,
                   json_pack("{s:s}", "role", may_change ? "admin" : "viewer"), err) < 0)
        return -1;
    return admin_send(res, json_pack("{s:s}", "name", name), err);
}

int serve_admin_users_update(struct app *app, const struct http_request *req, struct http_response *res,
                             struct err *err)
{
    struct admin a;
    const char *name;
    int64_t active;
    bool may_change;
    if (admin_enter(app, req, res, ADMIN_CHANGE, &a, err) < 0 || admin_param(req, "name", &name, err) < 0 ||
        read_role(req, &may_change, err) < 0 || admin_number(req, "active", 1, 1, &active, err) < 0)
        return -1;
    int rc = store_admin_update(app->store, name, may_change, active != 0, err);
    if (rc <= 0)
        return rc < 0 ? -1
                      : err_set(err, ERR_BAD_REQUEST,
                                "there is no such user, or nobody would be left who may change anything");
    const char *password = http_param(req, "password");
    if ((password && *password && store_admin_set_password(app->store, name, password, NULL, err) < 0) ||
        admin_note(app, &a, "user-update", name, NULL,
                   json_pack("{s:s, s:b, s:b}", "role", may_change ? "admin" : "viewer", "active",
                             active != 0, "password", password && *password),
                   err) < 0)
        return -1;
    return admin_send(res, json_pack("{s:s}", "name", name), err);
}
