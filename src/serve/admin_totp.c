/* The second factor of who is signed in: shown, confirmed by a code, switched off by the password. */
#include "base/clock.h"
#include "serve/admin.h"
#include "serve/serve.h"
#include "store/second_factor.h"

/* {"secret","uri"}: the latter is for a picture (the key URI format of authenticators; names need no
 * escaping). Not in force until a code has come. */
int serve_admin_totp_begin(struct app *app, const struct http_request *req, struct http_response *res,
                           struct err *err)
{
    struct admin a;
    char secret[TOTP_SECRET_TEXT_LEN + 1];
    const char *password;
    if (admin_enter(app, req, res, ADMIN_OWN, &a, err) < 0 ||
        admin_param(req, "password", &password, err) < 0 || admin_prove(app, &a, password, err) < 0)
        return -1;
    int rc = store_totp_begin(app->store, a.session.name, secret, err);
    if (rc <= 0)
        return rc < 0 ? -1 : err_set(err, ERR_BAD_REQUEST, "there is one in force: switch it off first");
    json_t *uri = json_sprintf("otpauth://totp/Sluice:%s?secret=%s&issuer=Sluice", a.session.name, secret);
    return admin_send(res, json_pack("{s:s, s:o}", "secret", secret, "uri", uri), err);
}

int serve_admin_totp_confirm(struct app *app, const struct http_request *req, struct http_response *res,
                             struct err *err)
{
    struct admin a;
    char recovery[STORE_RECOVERY_CODES][STORE_RECOVERY_TEXT_LEN + 1];
    const char *code;
    if (admin_enter(app, req, res, ADMIN_OWN, &a, err) < 0 || admin_param(req, "code", &code, err) < 0)
        return -1;
    int rc = store_totp_confirm(app->store, a.session.name, code, clock_unix_s(), recovery, err);
    if (rc <= 0)
        return rc < 0 ? -1 : err_set(err, ERR_CODE_REQUIRED, "not a code of the secret that was shown");
    /* Whoever came in by the password alone comes in again, with a code. */
    if (store_session_end_of(app->store, a.session.name, a.text, err) < 0 ||
        admin_note(app, &a, "totp-on", a.session.name, NULL, NULL, err) < 0)
        return -1;
    json_t *codes = json_array();
    for (int i = 0; i < STORE_RECOVERY_CODES; i++)
        (void)json_array_append_new(codes, json_string(recovery[i]));
    return admin_send(res, json_pack("{s:o}", "recovery_codes", codes), err);
}

int serve_admin_totp_off(struct app *app, const struct http_request *req, struct http_response *res,
                         struct err *err)
{
    struct admin a;
    const char *password;
    if (admin_enter(app, req, res, ADMIN_OWN, &a, err) < 0 ||
        admin_param(req, "password", &password, err) < 0 || admin_prove(app, &a, password, err) < 0)
        return -1;
    int rc = store_totp_off(app->store, a.session.name, err);
    if (rc < 0 || (rc == 1 && admin_note(app, &a, "totp-off", a.session.name, NULL, NULL, err) < 0))
        return -1;
    return admin_send(res, json_pack("{s:b}", "off", 1), err);
}
