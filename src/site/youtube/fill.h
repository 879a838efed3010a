/* Fills a client profile's templates: {name} {id} {version} {user_agent} {visitor_data} {video_id} {cpn}
 * {nonce} {po_token} {account} {page_value} in strings, and, as a whole value of a body, {context} and
 * {signature_timestamp} (a number). A member that is empty once filled is left out. */
#ifndef SLUICE_SITE_YOUTUBE_FILL_H
#define SLUICE_SITE_YOUTUBE_FILL_H

#include "base/buf.h"
#include "site/youtube/clients.h"

/* What one request is filled with. */
struct fill {
    const struct client *client;
    const char *video_id;     /* "" for visitor_id */
    const char *visitor_data; /* "" unknown */
    int signature_timestamp;  /* of the player script in use; 0: none is */
    const char *po_token;     /* for the player; "" none */
    const char *page_value;   /* client->page_value; "" unknown */
    const char *account;      /* proof of being signed in; "" none */
    char user_agent[512];     /* the client's, filled */
    char cpn[16 + 1];         /* client playback nonce: 16 base64url characters */
    char nonce[12 + 1];
};

/* Sets everything; -1 where the user agent grows out of its place. The pointers are borrowed. */
int fill_init(struct fill *f, const struct client *client, const char *video_id, const char *visitor_data);
/* Appends `text` filled; 0 or -1. */
int fill_text(const struct fill *f, const char *text, struct buf *out);
/* A filled copy of `value`, the caller's: json_decref(). NULL without memory. */
json_t *fill_json(const struct fill *f, const json_t *value);
/* Whether every template of the client is sound. Errors: ERR_INTERNAL naming the member below `where`. */
int fill_check(const struct client *client, const char *where, struct err *err);

#endif
