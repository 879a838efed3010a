/* The one table of error codes; see err.h. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct err_info table[ERR_CODE_COUNT] = {
    [ERR_OK] = {"ok", 200, false, "OK", "No error."},
    [ERR_BAD_REQUEST] = {"bad_request", 400, false, "Bad request",
                         "The request is malformed or a parameter has a value that is not allowed."},
    [ERR_BAD_METHOD] = {"bad_method", 405, false, "Method not allowed",
                        "This address does not answer that HTTP method."},
    [ERR_BAD_URL] = {"bad_url", 400, false, "Not a usable link",
                     "That is not a link Sluice can read. Paste the full address of a video or media file."},
    [ERR_UNSUPPORTED_SITE] = {"unsupported_site", 422, false, "Nothing to fetch there",
                              "That page is not from a supported site and is not a video or audio file."},
    [ERR_NOT_FOUND] = {"not_found", 404, false, "Not found",
                       "There is nothing here: it never existed or it was removed."},
    [ERR_PRIVATE] = {"private", 403, false, "Private video", "The owner has made this video private."},
    [ERR_AGE_RESTRICTED] = {"age_restricted", 403, false, "Age-restricted",
                            "The site shows this video only to signed-in adults."},
    [ERR_GEO_BLOCKED] = {"geo_blocked", 403, false, "Blocked in this country",
                         "The site does not show this video in the country this server is in."},
    [ERR_MEMBERS_ONLY] = {"members_only", 403, false, "Members only",
                          "Only paying members of the channel can watch this video."},
    [ERR_PAID] = {"paid", 403, false, "Paid content", "This video has to be bought or rented."},
    [ERR_PREMIUM] = {"premium", 403, false, "Premium only",
                     "Only subscribers of the site's paid plan get this."},
    [ERR_UPCOMING] = {"upcoming", 409, true, "Not started yet",
                      "This video is announced but has not started yet."},
    [ERR_LIVE] = {"live", 409, true, "Live now",
                  "This is a running live broadcast. Try again when it has ended."},
    [ERR_DRM] = {"drm", 403, false, "Copy-protected", "This video is protected by DRM and is not offered."},
    [ERR_BOT_CHECK] = {"bot_check", 502, true, "The site asks for a bot check",
                       "The site wants proof that no robot is asking. Try again in a while."},
    [ERR_RATE_LIMITED_UPSTREAM] = {"rate_limited_upstream", 502, true, "The site limits this server",
                                   "The site is limiting requests from this server. Try again later."},
    [ERR_UPSTREAM_FAILED] = {"upstream_failed", 502, true, "The source failed",
                             "The site or file server did not answer properly. Try again."},
    [ERR_REFUSED_ADDRESS] = {"refused_address", 403, false, "Address refused",
                             "That link leads to an address which this server does not fetch from."},
    [ERR_NO_SUCH_CHOICE] = {"no_such_choice", 404, false, "No such choice",
                            "This video does not come in that quality or format."},
    [ERR_BAD_RANGE] = {"bad_range", 416, false, "Range not satisfiable",
                       "The file does not have those bytes."},
    [ERR_PRECONDITION_FAILED] =
        {"precondition_failed", 412, false, "Another version",
         "The file is no longer the one you have a part of. Fetch it from the start."},
    [ERR_SOURCE_CHANGED] = {"source_changed", 409, true, "The source has changed",
                            "The video was replaced while it was being fetched. Start again."},
    [ERR_STORAGE_REFUSED] =
        {"storage_refused", 502, false, "Storage refused it",
         "The storage does not accept the credentials of this server, or they may not write there."},
    [ERR_STORAGE_MISSING] = {"storage_missing", 501, false, "No storage",
                             "No storage is set up here, or the bucket that is does not exist."},
    [ERR_STORAGE_FULL] = {"storage_full", 507, false, "Storage full",
                          "The storage has no room for this file."},
    [ERR_AUTH_REQUIRED] = {"auth_required", 401, false, "Key required", "This server asks for an API key."},
    [ERR_BAD_KEY] = {"bad_key", 401, false, "Unknown key", "That API key is not known here."},
    [ERR_KEY_DISABLED] = {"key_disabled", 403, false, "Key disabled", "That API key has been disabled."},
    [ERR_SITE_NOT_ALLOWED] = {"site_not_allowed", 403, false, "Site not allowed",
                              "That API key may not be used for this site."},
    [ERR_BAD_LOGIN] = {"bad_login", 401, false, "Wrong name or password",
                       "That name and password do not belong together here."},
    [ERR_CODE_REQUIRED] =
        {"code_required", 401, false, "Code required",
         "Enter your authenticator's current code as well, or a recovery code. Each works once."},
    [ERR_FORBIDDEN] = {"forbidden", 403, false, "Not allowed", "You may look at this, but not change it."},
    [ERR_QUOTA_EXCEEDED] = {"quota_exceeded", 429, true, "Quota exceeded",
                            "The limit is used up. Try again later."},
    [ERR_BUSY] = {"busy", 503, true, "Busy",
                  "The server is serving as many as it can. Try again in a moment."},
    [ERR_MAINTENANCE] = {"maintenance", 503, true, "Being worked on",
                         "This server begins no new downloads just now. Try again in a while."},
    [ERR_TOKEN_EXPIRED] = {"token_expired", 410, false, "Link expired",
                           "This download link has expired. Paste the video's link again for a new one."},
    [ERR_TOKEN_INVALID] = {"token_invalid", 400, false, "Link not valid",
                           "This download link is damaged or was not made by this server."},
    [ERR_INTERNAL] = {"internal", 500, true, "Internal error", "Something went wrong in the server."},
};

const struct err_info *err_info(enum err_code code)
{
    return (unsigned)code < ERR_CODE_COUNT ? &table[code] : &table[ERR_INTERNAL];
}

enum err_code err_code_of(const char *name)
{
    for (int i = 0; i < ERR_CODE_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0)
            return (enum err_code)i;
    }
    return ERR_INTERNAL;
}

void err_fill(struct err *err, enum err_code code, const char *fmt, ...)
{
    if (!err)
        return;
    va_list ap;
    va_start(ap, fmt);
    *err = (struct err){.code = code};
    (void)vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
}
