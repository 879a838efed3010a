/* What became of asking one client for one video: the words that clients.json uses, and the public code of
 * each.
 *
 * The order is the order of how much a class tells a person: of all clients asked, the one with the highest
 * class is reported. */
#ifndef SLUICE_SITE_YOUTUBE_CLASSES_H
#define SLUICE_SITE_YOUTUBE_CLASSES_H

#include "base/err.h"

enum youtube_class {
    CLASS_UNAVAILABLE = 0, /* not for this client; says nothing about the others */
    CLASS_FAILED,          /* no answer, or one that makes no sense */
    CLASS_NO_FORMATS,      /* playable, but nothing of it can be fetched this way */
    CLASS_SUBSTITUTED,     /* another video's data: the site's way to treat addresses it blocks */
    CLASS_RATE_LIMITED,
    CLASS_BOT_CHECK,
    CLASS_NOT_FOUND,
    CLASS_ACCOUNT_GONE,
    CLASS_LIVE,
    CLASS_UPCOMING,
    CLASS_DRM,
    CLASS_AGE_RESTRICTED,
    CLASS_GEO_BLOCKED,
    CLASS_PREMIUM,
    CLASS_PAID,
    CLASS_MEMBERS_ONLY,
    CLASS_PRIVATE,
    CLASS_OK,
    CLASS_COUNT
};

/* What kind of video it is, as far as the answers of the clients asked before say: one that fails at the one
 * kind may do well at the other. */
enum youtube_kind { KIND_NORMAL, KIND_KIDS, KIND_AGE_GATED, KIND_LIVE, KIND_COUNT };

/* "kids"; static. */
const char *youtube_kind_name(enum youtube_kind k);
/* What `c`, answered about a video of that kind, makes of it. */
enum youtube_kind youtube_kind_after(enum youtube_kind k, enum youtube_class c);

/* Whether the class says something about the client that was asked: 1 it works, -1 it does not, 0 it is the
 * video's own. */
int youtube_class_credit(enum youtube_class c);

/* "bot_check"; static. */
const char *youtube_class_name(enum youtube_class c);
/* CLASS_COUNT for an unknown name. */
enum youtube_class youtube_class_of(const char *name);
/* The public code; ERR_OK for CLASS_OK. */
enum err_code youtube_class_code(enum youtube_class c);

#endif
