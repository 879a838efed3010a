/* A server of the operator's that knows where media are, and answers with JSON of its own shape.
 *
 * `resolver_url`: {url} in it stands for the link, percent-encoded, {id} for the id of a YouTube video (such
 * links only, then). `resolver_fields`: where things are in the answer, as `name=path` pairs separated by
 * commas; a path is members joined by dots, numbers index lists. Names: `sealed` (see below), `title`,
 * `author`, `duration_s`, `thumbnail`, `expires_in_s`, `url` (of the one file), `formats` (a list), and
 * `format.url`, `format.id`, `format.container`, `format.video`, `format.audio` (codecs, or "none"),
 * `format.label`, `format.width`, `format.height`, `format.bitrate`, `format.size_bytes`, `format.language`,
 * `format.referer`, `format.user_agent`, each within its row. What is not named is looked for by its own
 * name.
 *
 * `resolver_key` (32 or 64 hex digits): answers are sealed by AES-CBC, as base64: the text at `sealed`, or
 * the whole body where that is not set. `resolver_iv` (32 hex digits): the initialisation vector; not set:
 * the first 16 bytes are. */
#ifndef SLUICE_SITE_ENGINES_RESOLVER_H
#define SLUICE_SITE_ENGINES_RESOLVER_H

#include "site/engines/engines.h"

enum { RESOLVER_ANSWER_MAX = 4 << 20 };

bool resolver_takes(const struct site_env *env, const struct link *link);
int resolver_describe(const struct site_env *env, const struct link *link, const struct err *before,
                      struct description **out, struct err *err);
int resolver_check(const struct engine_settings *settings, struct err *err);

/* An answer about `link`. Errors: ERR_UPSTREAM_FAILED. */
int resolver_read(const struct engine_settings *settings, const struct link *link, const char *text,
                  size_t len, struct description **out, struct err *err);

#endif
