/* See classes.h. */
#include "site/youtube/classes.h"

#include <string.h>

static const struct {
    const char *name;
    enum err_code code;
} table[CLASS_COUNT] = {
    [CLASS_UNAVAILABLE] = {"unavailable", ERR_NOT_FOUND},
    [CLASS_FAILED] = {"failed", ERR_UPSTREAM_FAILED},
    [CLASS_NO_FORMATS] = {"no_formats", ERR_UPSTREAM_FAILED},
    [CLASS_SUBSTITUTED] = {"substituted", ERR_BOT_CHECK},
    [CLASS_RATE_LIMITED] = {"rate_limited", ERR_RATE_LIMITED_UPSTREAM},
    [CLASS_BOT_CHECK] = {"bot_check", ERR_BOT_CHECK},
    [CLASS_NOT_FOUND] = {"not_found", ERR_NOT_FOUND},
    [CLASS_ACCOUNT_GONE] = {"account_gone", ERR_NOT_FOUND},
    [CLASS_LIVE] = {"live", ERR_LIVE},
    [CLASS_UPCOMING] = {"upcoming", ERR_UPCOMING},
    [CLASS_DRM] = {"drm", ERR_DRM},
    [CLASS_AGE_RESTRICTED] = {"age_restricted", ERR_AGE_RESTRICTED},
    [CLASS_GEO_BLOCKED] = {"geo_blocked", ERR_GEO_BLOCKED},
    [CLASS_PREMIUM] = {"premium", ERR_PREMIUM},
    [CLASS_PAID] = {"paid", ERR_PAID},
    [CLASS_MEMBERS_ONLY] = {"members_only", ERR_MEMBERS_ONLY},
    [CLASS_PRIVATE] = {"private", ERR_PRIVATE},
    [CLASS_OK] = {"ok", ERR_OK},
};

const char *youtube_class_name(enum youtube_class c)
{
    return table[c].name;
}

enum youtube_class youtube_class_of(const char *name)
{
    for (int i = 0; i < CLASS_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0)
            return (enum youtube_class)i;
    }
    return CLASS_COUNT;
}

enum err_code youtube_class_code(enum youtube_class c)
{
    return table[c].code;
}

const char *youtube_kind_name(enum youtube_kind k)
{
    static const char *const names[KIND_COUNT] = {
        [KIND_NORMAL] = "normal", [KIND_KIDS] = "kids", [KIND_AGE_GATED] = "age_gated", [KIND_LIVE] = "live"};
    return names[k];
}

enum youtube_kind youtube_kind_after(enum youtube_kind k, enum youtube_class c)
{
    switch (c) {
    case CLASS_UNAVAILABLE:
        return k == KIND_NORMAL ? KIND_KIDS : k;
    case CLASS_AGE_RESTRICTED:
        return KIND_AGE_GATED;
    case CLASS_LIVE:
        return KIND_LIVE;
    default:
        return k;
    }
}

int youtube_class_credit(enum youtube_class c)
{
    switch (c) {
    case CLASS_OK:
        return 1;
    case CLASS_FAILED:
    case CLASS_NO_FORMATS:
    case CLASS_SUBSTITUTED:
    case CLASS_RATE_LIMITED:
    case CLASS_BOT_CHECK:
        return -1;
    default:
        return 0;
    }
}
