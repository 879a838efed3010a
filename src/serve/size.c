/* GET /api/v1/size?data=: how many bytes the file of a link will have, to the byte.
 *
 * The exact size of a joined file is known when its plan is made, which takes a question upstream for every
 * few seconds of the video: too much to do for all choices of a description, cheap for the one somebody looks
 * at. So this answers at once with what is known and has the plan made behind it (prepare.h), within the
 * bounds that has; who asks again a moment later is told. It belongs to the description that the link is from
 * and costs nothing of the quota, as pictures do. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "serve/auth.h"
#include "serve/choice.h"
#include "serve/describe.h"
#include "serve/planned.h"
#include "serve/prepare.h"
#include "serve/serve.h"
#include "serve/token.h"

static int send_size(struct http_response *res, const struct choice *c, bool pending, struct err *err)
{
    json_t *root = json_pack("{s:s, s:o, s:b, s:b}", "choice", c->id, "size_bytes",
                             c->size_bytes ? json_integer((json_int_t)c->size_bytes) : json_null(),
                             "size_exact", c->size_exact, "pending", pending);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text)
        return err_set(err, ERR_INTERNAL, "out of memory");
    (void)http_set_header(res, "Cache-Control", "private, no-store");
    (void)http_send(res, "application/json", text, strlen(text));
    free(text);
    return 0;
}

int serve_size(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    auto_(token) struct token token = {0};
    auto_ptr(description) struct description *d = NULL;
    struct choice choice;
    struct auth who;
    char address[CIDR_TEXT_MAX];
    char answer_key[SERVE_KEY_MAX];
    const char *data = http_param(req, "data");
    if (!data)
        return err_set(err, ERR_TOKEN_INVALID, "no data given");
    auth_address(app, req, address);
    if (token_read(app, data, address, &token, err) < 0 ||
        auth_identify(app, req, token.key_id, &who, err) < 0)
        return -1;
    auth_note(res, &who);
    if (serve_describe_for(app, &who, token.link, res, &d, err) < 0 ||
        choice_find(d, token.choice, NULL, &choice, err) < 0 ||
        serve_answer_key(req, &who, token.link, answer_key, err) < 0)
        return -1;
    planned_sizes(app, d, &choice, 1);
    bool pending = !choice.size_exact && prepare_choice(app, token.link, &choice, answer_key);
    return send_size(res, &choice, pending, err);
}
