/* Settings changed while programs run: see sql/016. What they mean is the caller's own. Threads and errors as
 * in store.h. */
#ifndef SLUICE_STORE_SETTINGS_H
#define SLUICE_STORE_SETTINGS_H

#include "store/store.h"

enum { STORE_SETTING_NAME_MAX = 63, STORE_SETTING_VALUE_MAX = 4096 };

/* Texts are borrowed for the call. */
struct store_setting {
    const char *name, *value, *changed_by;
    int64_t changed_unix_s;
};

int store_setting_list(struct store *s, void (*each)(void *ctx, const struct store_setting *one), void *ctx,
                       struct err *err);
/* In place of the one before. */
int store_setting_put(struct store *s, const struct store_setting *one, struct err *err);
/* 1 done, 0 there was none. */
int store_setting_drop(struct store *s, const char *name, struct err *err);

#endif
