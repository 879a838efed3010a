/* What a struct s3 is made of. Private to s3.c and s3_settings.c. */
#ifndef SLUICE_SERVE_S3_SETTINGS_H
#define SLUICE_SERVE_S3_SETTINGS_H

#include "serve/s3.h"

struct s3 {
    char *bucket, *prefix, *region;
    char *access, *secret, *session; /* never NULL */
    char *host;                      /* as the field Host has it; with the bucket, where that stands there */
    char place[S3_PLACE_MAX];
    uint16_t port;
    bool tls, path_style;
};

#endif
