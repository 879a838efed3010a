/* Settings: one table of records drives the parser, --check-config, the example file and the documentation.
 *
 * Sources, weakest first: the default, the file (`key = value`, `#` comments), the environment SLUICE_<KEY>
 * (PROXY_URL also counts as proxy_url), SLUICE_<KEY>_FILE for secrets (the value is that file's first line).
 * Values are validated when read: a config that loaded is a config in range.
 *
 * Some settings (`live` in the table) may be changed while programs run: by config_change(), which see.
 * Threads: the others are read-only after config_load(); live ones are atomic. So any may be read from any.
 */
#ifndef SLUICE_BASE_CONFIG_H
#define SLUICE_BASE_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { CONFIG_KEYS_MAX = 160, CONFIG_VALUE_MAX_BYTES = 4096 };

/* Where a value comes from. */
enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT, CONFIG_SETTING /* the admin pages */ };

struct config {
    char *data_dir; /* database, keys, caches; outside the document root */
    char *database; /* sqlite:/… or postgresql://…, which may hold a password; "" = in data_dir */
    char *engines;  /* names, comma-separated: the order in which a link is tried */
    char *invidious_instances; /* base addresses, comma-separated; "" = none */
    char *ytdlp_python;        /* the interpreter that yt-dlp runs in */
    char *ytdlp_path;          /* directory or zip file of a newer yt-dlp; "" = the installed one */
    char *resolver_url;        /* template with {url} or {id}; "" = none */
    char *resolver_fields;     /* name=path pairs, comma-separated */
    char *admin_password;      /* of the first user of the admin pages; "" = none is made */
    char *resolver_key;        /* hex; "" = answers are not sealed */
    char *resolver_iv;         /* hex; "" = before the sealed text */
    char *clients_file;        /* YouTube client profiles; "" = the built-in ones */
    char *proxy_url;           /* upstream proxies: http://, https://, socks5h://; "" = none */
    char *ipv6_subnet;         /* addresses that are routed here, one for each extraction; "" = none */
    char *pot_provider_url;    /* what makes proof-of-origin tokens; "" = none */
    char *canary_links;        /* extracted on a schedule; "" = none */
    char *po_tokens;           /* CLIENT.CONTEXT+TOKEN, comma-separated; "" = none */
    char *cookies_dir;         /* the operator's cookies, in files as browsers export them; "" = none */
    char *upstream_ca_file;    /* additional CA certificates (PEM) for upstream TLS; "" = none */
    char *upstream_ports;      /* ports that links may name, comma-separated */
    char *public_path;         /* path prefix of generated links; "" = taken from the request */
    char *_Atomic log_level;   /* debug, info, warn, error */
    char *_Atomic anonymous;   /* on, off: whether requests without a key are answered */
    char *_Atomic maintenance; /* on, off: whether new streams are refused */
    char *_Atomic maintenance_message; /* what whoever is refused is told; "" = our own words */
    char *trusted_proxies;             /* CIDR blocks whose X-Forwarded-For counts; "" = none */
    char *sandbox;                     /* required, on, off */
    _Atomic int64_t rate_anonymous;    /* requests per hour and address without a key; 0: no limit */
    _Atomic int64_t bytes_anonymous;   /* per day and address without a key; 0: no limit */
    char *metrics_token;               /* who may read /metrics from elsewhere; "" = nobody */
    int64_t usage_hours_days;          /* how long sums of usage by the hour are kept */
    int64_t usage_days;                /* and those by the day */
    int64_t token_ttl_s;               /* life of `data` links */
    int64_t token_rotate_s;            /* age at which the key that seals them is replaced; 0: never */
    _Atomic int64_t cache_ttl_s;       /* descriptions are kept at most this long */
    _Atomic int64_t description_bytes; /* descriptions and answers on disk */
    _Atomic int64_t cache_bytes;       /* slices of sources on disk; 0: none */
    _Atomic int64_t slice_ttl_s;       /* they are kept so long after they were used */
    _Atomic int64_t canary_interval_s;
    int64_t date_wait_ms;
    _Atomic int64_t upstream_interval_ms; /* between calls of a site's API by one way out; 0: no pacing */
    int64_t upstream_calls;               /* of sites' APIs at once */
    int64_t upstream_connect_ms;
    int64_t upstream_timeout_ms; /* one description call, in all */
    int64_t stop_grace_s;        /* at the end, for what is being sent */
    int64_t stall_timeout_s;     /* a source that sends no byte for so long is given up */
    int64_t client_timeout_s;    /* a stream whose client takes no byte for so long is ended */
    int64_t max_connections;     /* requests at once in stream.fcgi: streaming + waiting */
    _Atomic int64_t max_active;  /* streams at once in stream.fcgi */
    _Atomic int64_t parallel;    /* connections at once for one source of a stream */
    int64_t parallel_bytes;      /* what they read ahead, of one program */
    _Atomic int64_t max_workers; /* files at once that libav makes; 0: as many as there are cores */
    _Atomic int64_t max_streams_per_client; /* of a key, or of an address without one; 0: no limit */
    _Atomic int64_t queue_wait_s;           /* how long a stream waits for a place before 503 */
    _Atomic int64_t plan_wait_s; /* how long the headers for a merged file may take before the layout that
                            needs fewer is used */
    _Atomic int64_t progressive_max_s;   /* longer videos are merged in the layout that needs fewer headers */
    int64_t plan_cache_bytes;            /* plans of merged files on disk; 0: none */
    int64_t prepare;                     /* 1: plan the likely choice while its description is being read */
    int64_t ytdlp_timeout_s;             /* of one question */
    int64_t job_threads;                 /* jobs at once in each stream.fcgi; 0: it runs none */
    int64_t job_lease_s;                 /* so long after a worker was killed its job is taken over */
    _Atomic int64_t job_keep_s;          /* jobs that are over are kept so long */
    _Atomic int64_t max_jobs;            /* queued, waiting and running */
    _Atomic int64_t max_jobs_per_client; /* of a key, or of an address without one; 0: no limit */
    int64_t info_threads;                /* requests at once in info.fcgi */
    char *tiers;                   /* where finished outputs are looked for, in this order, comma-separated */
    char *sendfile;                /* the header that makes the web server send a file; off */
    _Atomic int64_t tier_period_s; /* within which downloads are counted */
    _Atomic int64_t files_bytes;   /* whole outputs on disk; 0: none */
    _Atomic int64_t files_after;   /* so many downloads one is kept */
    _Atomic int64_t files_ttl_s;   /* and for so long; 0: until it is displaced */

    char *s3_bucket;   /* where uploads go; "" = nowhere */
    char *s3_endpoint; /* "" = Amazon's */
    char *s3_region;
    char *s3_prefix;                     /* of objects' names */
    char *s3_path_style;                 /* on, off, auto */
    char *s3_access_key, *s3_secret_key; /* "" = as other programs find them */
    int64_t s3_link_ttl_s;
    int64_t s3_tier_after; /* so many downloads a finished output is kept there; 0: never */
    int64_t s3_tier_ttl_s; /* and for so long; 0: for ever */
    char *s3_redirect;     /* on, off: whether clients are sent there */

    char *telegram_api_url;                /* the Bot API, or a server of one's own */
    char *_Atomic telegram_token;          /* of a bot; "" = nothing is kept at Telegram */
    char *_Atomic telegram_chat;           /* where it sends files */
    _Atomic int64_t telegram_upload_max;   /* bytes */
    _Atomic int64_t telegram_download_max; /* bytes */
    _Atomic int64_t telegram_ttl_s;        /* so long after it was sent a file is deleted; 0: never */

    /* Of each row of the table. */
    _Atomic unsigned char source[CONFIG_KEYS_MAX];
    struct config_text *retired; /* texts that were changed: somebody may still be reading them */
};

enum config_kind { CONFIG_TEXT, CONFIG_INT };

/* One setting. min and max are for CONFIG_INT, in `unit`. */
struct config_key {
    const char *name;
    enum config_kind kind;
    bool live;
    size_t offset; /* in struct config: char * or int64_t */
    const char *fallback;
    int64_t min, max;
    const char *unit;
    bool secret;         /* nobody is shown its value */
    const char *choices; /* of a text: all that it may be, "on off"; NULL: anything */
    const char *help;    /* one sentence, ends with a full stop */
};

/* The table, *count rows. Static. */
const struct config_key *config_keys(size_t *count);

/* NULL: none is called that. */
const struct config_key *config_find(const char *name);
/* Appends its value. */
int config_value(const struct config *c, const struct config_key *k, struct buf *out);
enum config_source config_source_of(const struct config *c, const struct config_key *k);
/* "default", "file", "environment", "setting". */
const char *config_source_name(enum config_source source);
/* Whether a setting that is `live` may have that value. ERR_BAD_REQUEST. */
int config_try(const struct config_key *k, const char *value, struct err *err);
/* Gives it that value while others read it: numbers in place, a text beside the one before, which stays until
 * config_fini(). One caller at a time. ERR_BAD_REQUEST: it may not have it, or is not `live`. */
int config_change(struct config *c, const struct config_key *k, const char *value, enum config_source source,
                  struct err *err);

/* The settings file where nobody names one: $SLUICE_CONFIG, else /etc/sluice/sluice.conf when it exists;
 * NULL: none. Borrowed. */
const char *config_path(void);
/* Loads defaults, then `path` (NULL: config_path()), then the environment. On error *err names file and line,
 * or the environment variable. */
int config_load(struct config *c, const char *path, struct err *err);
void config_fini(struct config *c);
/* Writes an example file with every key, its default and its help. */
int config_describe(struct buf *out);

DEFINE_AUTO(config, config_fini)

#endif
