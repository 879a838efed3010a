/* Requests. Input: NAME=VALUE lines, an empty line, the body. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"
#include "http/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* `ctx`: zero-terminated NAME=VALUE strings, ended by an empty one. */
static const char *from_lines(void *ctx, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = ctx; *line; line += strlen(line) + 1) {
        if (strncmp(line, name, n) == 0 && line[n] == '=')
            return line + n + 1;
    }
    return NULL;
}

static void check(const struct http_request *req)
{
    const char *prefix = req->prefix;
    require(*prefix == '\0' || (prefix[0] == '/' && prefix[1] != '/'));
    require(!strpbrk(prefix, "\"'<>&\\?# ") && !text_ends_with(prefix, "/") && !text_has_control(prefix));
    require(!text_has_control(req->path));
    for (size_t i = 0; i < req->param_count; i++) {
        const char *value = req->params[i].value;
        size_t len = strlen(value);
        require(!text_has_control(req->params[i].name) && !text_has_control(value));
        require(len == 0 || (value[0] != ' ' && value[len - 1] != ' '));
        require(http_param(req, req->params[i].name) != NULL);
    }
    (void)http_wants_html(req);
    require(http_locale(req) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    struct err err = {0};
    auto_(buf) struct buf lines = BUF_INIT(1 << 20);
    auto_(buf) struct buf body = BUF_INIT(HTTP_BODY_MAX_BYTES);
    auto_(http_request) struct http_request req;
    if (!started && hash_init(&err) < 0)
        abort();
    started = true;
    const uint8_t *end = memmem(data, size, "\n\n", 2);
    size_t head = end ? (size_t)(end - data) : size;
    for (size_t i = 0; i < head; i++)
        (void)buf_addc(&lines, data[i] == '\n' ? '\0' : (char)data[i]);
    (void)buf_add(&lines, "\0", 2);
    if (end)
        (void)buf_add(&body, end + 2, size - head - 2);
    if (lines.failed)
        return 0;
    if (http_request_init(&req, from_lines, lines.data, end ? &body : NULL, &err) == 0)
        check(&req);
    else
        require(err.code == ERR_BAD_URL || err.code == ERR_BAD_REQUEST);
    require(strlen(req.id) == 16 && req.prefix && req.path);
    return 0;
}
