/* The bodies of error answers: RFC 9457 problem details, and the same as a page for browsers without our
 * script, in the reader's language. They say what the table in base/err.c (its translations in the page)
 * says, never err->text. `req` may be NULL. */
#ifndef SLUICE_HTTP_PROBLEM_H
#define SLUICE_HTTP_PROBLEM_H

#include "base/buf.h"
#include "base/err.h"
#include "http/request.h"

int problem_json(struct buf *out, const struct http_request *req, const struct err *err);
int problem_html(struct buf *out, const struct http_request *req, const struct err *err);

#endif
