/* The languages of the pages: www/locales/ built in, so that what the programs write for browsers without
 * JavaScript says the same as what the script writes. */
#ifndef SLUICE_BASE_LOCALE_H
#define SLUICE_BASE_LOCALE_H

struct locale_text {
    const char *key;
    const char *text; /* UTF-8; may hold one {name} to be filled in */
};

struct locale {
    const char *tag; /* "en", "pt": primary subtags only */
    const struct locale_text *texts;
};

/* Sorted by tag; ended by a row of NULLs. */
extern const struct locale locales[];

/* The language whose tag begins `tag`: "pt-BR" is Portuguese. NULL: none of ours. */
const struct locale *locale_find(const char *tag);
/* The text called `key`, in English where the language lacks it; "" when there is none. */
const char *locale_text(const struct locale *locale, const char *key);

#endif
