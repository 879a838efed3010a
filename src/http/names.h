/* Harmless file names out of hostile titles, and Content-Disposition (RFC 6266, RFC 8187).
 * A name: NFC; control, format (bidi overrides included), private and unassigned characters removed, except
 * joiners (ZWJ, ZWNJ) between other characters, which emoji and Persian spelling need; path separators and
 * what Windows forbids become a space, a double quote becomes a single one; no leading dots, dashes and
 * spaces, no trailing dots and spaces, no two spaces in a row; no reserved device name; at most 180 bytes,
 * cut on a code point; never empty. The extension comes from the caller, never from upstream. */
#ifndef SLUICE_HTTP_NAMES_H
#define SLUICE_HTTP_NAMES_H

#include "base/buf.h"

/* Appends `title`.`extension` made harmless; `extension` without the dot. -1: buffer failed. */
int http_file_name(struct buf *out, const char *title, const char *extension);
/* Appends: attachment; filename="ascii fallback"; filename*=UTF-8''…   for a name of http_file_name(). */
int http_content_disposition(struct buf *out, const char *file_name);

#endif
