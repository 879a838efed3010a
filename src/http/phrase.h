/* Words and numbers in the reader's language, as HTML. They come out exactly as www/js/human.js and i18n.js
 * write them: a browser test compares the two. All append to *out. */
#ifndef SLUICE_HTTP_PHRASE_H
#define SLUICE_HTTP_PHRASE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/locale.h"

/* The text called `key` with `value` in the place of its {name}; fit for attributes too. */
void phrase_filled(struct buf *out, const struct locale *locale, const char *key, const char *value);
/* "59.2 MB": one decimal where fewer than three digits would be left. `key`: "units.size" or "units.rate". */
void phrase_units(struct buf *out, const struct locale *locale, const char *key, double value);
/* "59,234,567"; beyond the last three digits, Hindi groups by two. */
void phrase_grouped(struct buf *out, const struct locale *locale, uint64_t n);
/* "1:02:03" */
void phrase_duration(struct buf *out, uint64_t ms);

#endif
