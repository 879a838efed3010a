/* See config.h. */
#include "base/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

enum { FILE_MAX_BYTES = 65536, VALUE_MAX_BYTES = CONFIG_VALUE_MAX_BYTES };

/* The compiler refuses a row that says of its member what is not so. */
#define IS(key, type) _Generic(&((struct config *)0)->key, __typeof__(type) * : offsetof(struct config, key))
#define ROW(key, kind, live, type, fallback, min, max, unit, secret, choices, help)                          \
    {                                                                                                        \
#key, kind, live, IS(key, type), fallback, min, max, unit, secret, choices, help                     \
    }
#define TEXT(key, fallback, help) ROW(key, CONFIG_TEXT, false, char *, fallback, 0, 0, "", false, NULL, help)
/* Not for the admin pages and their screenshots: passwords, tokens, and addresses that may hold some. */
#define SECRET(key, fallback, help) ROW(key, CONFIG_TEXT, false, char *, fallback, 0, 0, "", true, NULL, help)
#define CHOICE(key, fallback, choices, help)                                                                 \
    ROW(key, CONFIG_TEXT, false, char *, fallback, 0, 0, "", false, choices, help)
#define INT(key, fallback, min, max, unit, help)                                                             \
    ROW(key, CONFIG_INT, false, int64_t, fallback, min, max, unit, false, NULL, help)
/* Those that may be changed while programs run: whoever uses one reads it each time, or is told by
 * serve/settings.c. */
#define LIVE_TEXT(key, fallback, help)                                                                       \
    ROW(key, CONFIG_TEXT, true, char *_Atomic, fallback, 0, 0, "", false, NULL, help)
#define LIVE_SECRET(key, fallback, help)                                                                     \
    ROW(key, CONFIG_TEXT, true, char *_Atomic, fallback, 0, 0, "", true, NULL, help)
#define LIVE_CHOICE(key, fallback, choices, help)                                                            \
    ROW(key, CONFIG_TEXT, true, char *_Atomic, fallback, 0, 0, "", false, choices, help)
#define LIVE_INT(key, fallback, min, max, unit, help)                                                        \
    ROW(key, CONFIG_INT, true, _Atomic int64_t, fallback, min, max, unit, false, NULL, help)

static const struct config_key keys[] = {
    TEXT(data_dir, "/var/lib/sluice", "Database and caches; keep it outside the web server's document root."),
    SECRET(
        database, "",
        "sqlite:/path, or postgresql://user:password@host/name that several hosts share; empty: in data_dir."),
    TEXT(engines, "native,yt-dlp,invidious,resolver",
         "What tries to make something of a link, in this order."),
    TEXT(ytdlp_python, "/usr/bin/python3", "The Python that runs yt-dlp, where that is installed."),
    TEXT(ytdlp_path, "", "Directory or zip file with a newer yt-dlp than the installed one."),
    TEXT(invidious_instances, "",
         "Invidious servers to ask when YouTube itself does not answer: https://host, comma-separated."),
    SECRET(
        resolver_url, "",
        "A server of yours that finds media, answering with JSON; {url} or {id} stands for what is asked for."),
    TEXT(resolver_fields, "",
         "Where things are in its answer: name=path pairs, comma-separated (see the documentation)."),
    SECRET(resolver_key, "",
           "Its answers are sealed by AES-CBC with this key, in hexadecimal; empty: they are not."),
    SECRET(resolver_iv, "",
           "Initialisation vector for that, in hexadecimal; empty: the first 16 bytes of each answer."),
    TEXT(
        clients_file, "",
        "YouTube client profiles (JSON), re-read when changed; empty: those saved in the control room, or the built-in ones."),
    SECRET(
        proxy_url, "",
        "Upstream proxy: http://, https:// or socks5h://host:port; or several, and direct, with *3 for three times as often. PROXY_URL works too."),
    TEXT(
        ipv6_subnet, "",
        "Prefix that is routed to this machine (2001:db8:1:2::/64): each extraction and its media leave from a random address of it."),
    SECRET(
        canary_links, "",
        "Links that are looked at every canary_interval_s, comma-separated; when they cannot be had, /readyz and /metrics say so."),
    SECRET(
        pot_provider_url, "",
        "Server that makes proof-of-origin tokens (the bgutil provider's /get_pot), like http://127.0.0.1:4416: YouTube clients that need one are asked, too."),
    SECRET(
        po_tokens, "",
        "Such tokens made by hand: CLIENT.CONTEXT+TOKEN, comma-separated, CONTEXT being gvs, player or subs."),
    TEXT(
        cookies_dir, "",
        "Directory with cookies in files as browsers export them (*.txt): each goes to the hosts it is for, when a link leads there. With those of a YouTube account, a client that is signed in is asked where the others may not see a video."),
    TEXT(upstream_ca_file, "", "PEM file with CA certificates to trust upstream besides the system's."),
    TEXT(upstream_ports, "80,443", "Ports that a link may lead to."),
    TEXT(public_path, "", "Path prefix of generated links, when the web server hides it; empty: automatic."),
    LIVE_CHOICE(log_level, "info", "debug info warn error",
                "Least level to log: debug, info, warn or error."),
    CHOICE(sandbox, "on", "on off required",
           "on: whatever this kernel has of Landlock and seccomp; required: do not start without both; off."),
    LIVE_CHOICE(
        maintenance, "off", "on off",
        "on: new downloads and jobs get 503; what runs goes on to its end, links can still be looked at."),
    LIVE_TEXT(maintenance_message, "", "What they are told then, at most 200 bytes; empty: our own words."),
    LIVE_CHOICE(anonymous, "on", "on off",
                "on: anybody may ask; off: only who has a key (sluice key create)."),
    SECRET(
        admin_password, "",
        "Password of the admin pages' first user, admin; made when nobody is there yet. At least 10 bytes."),
    TEXT(trusted_proxies, "",
         "Proxies in front, as addresses or CIDR blocks: the client is whom they name in X-Forwarded-For."),
    LIVE_INT(rate_anonymous, "600", 0, 1000000000, "",
             "Requests per hour and address without a key (IPv6: per /64); 0: no limit."),
    LIVE_INT(bytes_anonymous, "0", 0, 70368744177664, "bytes",
             "Bytes of downloads per day and address without a key (IPv6: per /64); 0: no limit."),
    SECRET(
        metrics_token, "",
        "Authorization: Bearer with this text may read /metrics from anywhere; empty: only this machine may."),
    INT(usage_hours_days, "35", 1, 3660, "days", "How long usage is kept by the hour."),
    INT(usage_days, "400", 1, 36600, "days", "How long usage is kept by the day."),
    INT(token_ttl_s, "21600", 60, 31536000, "s", "How long a download link works."),
    INT(token_rotate_s, "2592000", 0, 31536000, "s",
        "So old a key that seals download links is replaced; older links go on working. 0: only by hand."),
    LIVE_INT(cache_ttl_s, "3600", 0, 3600, "s",
             "How long a video's description is remembered at most; 0: never."),
    LIVE_INT(description_bytes, "134217728", 1048576, 17592186044416, "bytes",
             "Disk for remembered descriptions; beyond that those that expire first are forgotten."),
    LIVE_INT(
        cache_bytes, "0", 0, 17592186044416, "bytes",
        "Disk for slices of what was downloaded, so that others need not fetch them again; beyond that those used least recently go. Less than 4 MiB: nothing is kept."),
    LIVE_INT(slice_ttl_s, "604800", 60, 315360000, "s",
             "Slices that nobody has used for so long are deleted."),
    LIVE_INT(canary_interval_s, "900", 1, 86400, "s", "Time between two looks at canary_links."),
    LIVE_INT(
        upstream_interval_ms, "100", 0, 60000, "ms",
        "Time between two calls of a video site by one way out, more or less by half, twenty at once after a pause; 0: none."),
    INT(date_wait_ms, "0", 0, 10000, "ms",
        "YouTube tells the day a video came out by a call of its own: so long may an answer wait for it; 0: not asked."),
    INT(upstream_calls, "64", 1, 1000, "", "Calls of video sites at once; more wait."),
    INT(upstream_connect_ms, "10000", 100, 120000, "ms", "Time limit for one upstream connection to open."),
    INT(upstream_timeout_ms, "30000", 500, 600000, "ms", "Time limit for one description call."),
    INT(stop_grace_s, "30", 1, 86400, "s",
        "What is being sent when a program is told to end may take so long to finish."),
    INT(stall_timeout_s, "30", 1, 3600, "s", "A source that sends no byte for so long is given up."),
    INT(client_timeout_s, "1800", 1, 86400, "s",
        "A download whose web server takes no byte for so long is ended. Web servers take megabytes ahead, and "
        "end clients that do not read long before."),
    INT(max_connections, "256", 1, 100000, "", "Streams at once, running and waiting; more get 503."),
    LIVE_INT(max_active, "128", 1, 100000, "", "Streams running at once; more wait for a place."),
    LIVE_INT(
        parallel, "4", 1, 8, "",
        "Connections at once for one source of a download; more than one where the client is faster than that."),
    INT(parallel_bytes, "67108864", 0, 17592186044416, "bytes",
        "Memory for what such connections read ahead, in all: 2 MiB each at most; beyond that none is added."),
    LIVE_INT(
        max_workers, "0", 0, 1024, "",
        "Files at once that are converted (MP3, WebM, Ogg); more wait for a place; 0: one per processor."),
    LIVE_INT(
        max_streams_per_client, "0", 0, 20000, "",
        "Streams at once, running and waiting, with one key, or without from one address (IPv6: /64); more get 429; 0: no limit."),
    LIVE_INT(queue_wait_s, "20", 0, 3600, "s", "How long a stream waits for a place before it gets 503."),
    LIVE_INT(
        plan_wait_s, "10", 1, 600, "s",
        "How long the headers for a merged file may take; then the fragmented layout, which needs fewer, is used."),
    LIVE_INT(progressive_max_s, "21600", 0, 1000000, "s",
             "Longer videos are merged in the fragmented layout at once."),
    INT(plan_cache_bytes, "268435456", 0, 17592186044416, "bytes",
        "Disk for plans of merged files, so that they start and resume at once; 0: none."),
    INT(prepare, "1", 0, 1, "",
        "1: while somebody reads what a video comes in, the choice they will most likely make is planned."),
    INT(ytdlp_timeout_s, "40", 1, 600, "s", "Time limit for one question to yt-dlp."),
    INT(job_threads, "2", 0, 64, "",
        "Jobs at once in each stream.fcgi; 0: none there, only in `sluice jobs run`."),
    INT(job_lease_s, "30", 2, 3600, "s",
        "So long after its worker was killed a job is taken over by another."),
    LIVE_INT(job_keep_s, "86400", 60, 31536000, "s",
             "Jobs that are over are kept so long, for whoever asks."),
    LIVE_INT(max_jobs, "1000", 1, 1000000, "", "Jobs queued, waiting and running; more get 503."),
    LIVE_INT(max_jobs_per_client, "20", 0, 1000000, "",
             "The same, with one key, or without from one address (IPv6: /64); more get 429; 0: no limit."),
    TEXT(telegram_api_url, "https://api.telegram.org",
         "Telegram's Bot API, or a server of it of your own (with other limits): http://127.0.0.1:8081."),
    LIVE_SECRET(
        telegram_token, "",
        "Token of a bot that keeps files in a channel and gives them back; empty: nothing is kept at Telegram."),
    LIVE_TEXT(telegram_chat, "", "That channel, in which the bot may post: -1001234567890 or @name."),
    LIVE_INT(telegram_upload_max, "50000000", 1, 4294967296, "bytes",
             "Larger files are not sent there: 50 MB is what the public Bot API takes."),
    LIVE_INT(telegram_download_max, "20971520", 1, 4294967296, "bytes",
             "Nor are those that could not be read again: 20 MiB is what the public Bot API gives."),
    LIVE_INT(telegram_ttl_s, "0", 0, 315360000, "s",
             "Files are deleted there so long after they were sent; 0: never."),
    TEXT(s3_bucket, "",
         "Bucket of an S3-compatible storage that files can be sent to; empty: there is none."),
    TEXT(s3_endpoint, "", "Where it is, unless at Amazon: https://host or http://host:port."),
    TEXT(s3_region, "us-east-1", "Its region, as it stands in signatures."),
    TEXT(s3_prefix, "",
         "Begins the names of all objects, with a slash after it: videos/2026; empty: nothing."),
    CHOICE(s3_path_style, "auto", "on off auto",
           "on: the bucket stands in the path; off: before the host; auto: off at Amazon, on elsewhere."),
    SECRET(s3_access_key, "",
           "Access key; empty: AWS_ACCESS_KEY_ID, else AWS_PROFILE (or default) in ~/.aws/credentials."),
    SECRET(s3_secret_key, "", "Its secret; empty: from the same place, as a session token is."),
    INT(s3_link_ttl_s, "3600", 60, 604800, "s", "How long a link to an uploaded file works."),
    INT(s3_tier_after, "0", 0, 1000000, "",
        "A finished file is kept in the bucket, too, after so many downloads within tier_period_s; 0: none is."),
    INT(s3_tier_ttl_s, "2592000", 0, 315360000, "s", "And so long; 0: for ever."),
    CHOICE(s3_redirect, "off", "on off",
           "on: who asks for such a file is sent to the storage by a link; off: it comes through Sluice."),
    INT(info_threads, "256", 1, 4096, "",
        "Requests at once in info.fcgi that wait for what is not remembered; more get 503."),
    TEXT(
        tiers, "files,slices,telegram,s3,source",
        "Where a finished file is looked for, in this order: files, slices, telegram, s3, and at the end source; what is not named is not used."),
    LIVE_INT(tier_period_s, "86400", 1, 31536000, "s",
             "Downloads of one file are counted so long, to tell which files are worth keeping."),
    LIVE_INT(
        files_bytes, "0", 0, 17592186044416, "bytes",
        "Disk for whole files that were downloaded, as they were sent; those not used for longest are displaced. 0: none are kept."),
    LIVE_INT(files_after, "2", 1, 1000000, "",
             "A file is kept there after so many downloads within tier_period_s."),
    LIVE_INT(files_ttl_s, "604800", 0, 315360000, "s", "And so long; 0: until it is displaced."),
    TEXT(
        sendfile, "off",
        "Kept files are sent by the web server itself, told by this header: x-sendfile (Apache), x-accel-redirect (nginx), x-lighttpd-send-file; off: by Sluice."),
};

const struct config_key *config_keys(size_t *count)
{
    *count = ARRAY_LEN(keys);
    return keys;
}

_Static_assert(ARRAY_LEN(keys) <= CONFIG_KEYS_MAX, "one source for each");

const struct config_key *config_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

/* ---- Values ---- */

/* A text that was replaced while it may have been read. */
struct config_text {
    struct config_text *next;
    char *text;
};

static char *text_of(const struct config *c, const struct config_key *k)
{
    const char *slot = (const char *)c + k->offset;
    return k->live ? *(char *_Atomic const *)(const void *)slot : *(char *const *)(const void *)slot;
}

static void put_text(struct config *c, const struct config_key *k, char *text)
{
    char *slot = (char *)c + k->offset;
    if (k->live)
        *(char *_Atomic *)(void *)slot = text;
    else
        *(char **)(void *)slot = text;
}

static int64_t number_of(const struct config *c, const struct config_key *k)
{
    const char *slot = (const char *)c + k->offset;
    return k->live ? *(const _Atomic int64_t *)(const void *)slot : *(const int64_t *)(const void *)slot;
}

static void put_number(struct config *c, const struct config_key *k, int64_t n)
{
    char *slot = (char *)c + k->offset;
    if (k->live)
        *(_Atomic int64_t *)(void *)slot = n;
    else
        *(int64_t *)(void *)slot = n;
}

int config_value(const struct config *c, const struct config_key *k, struct buf *out)
{
    return k->kind == CONFIG_TEXT ? buf_adds(out, text_of(c, k))
                                  : buf_addf(out, "%lld", (long long)number_of(c, k));
}

enum config_source config_source_of(const struct config *c, const struct config_key *k)
{
    return (enum config_source)c->source[k - keys];
}

const char *config_source_name(enum config_source source)
{
    static const char *const names[] = {"default", "file", "environment", "setting"};
    return names[source];
}

/* "debug info" has "info". */
static bool is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (const char *p = choices; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        if (n == len && strncmp(p, value, n) == 0)
            return true;
        p += n;
    }
    return false;
}

/* *n: the value of a number. */
static int read_value(const struct config_key *k, const char *value, uint64_t *n, const char *where,
                      struct err *err)
{
    *n = 0;
    if (strlen(value) > VALUE_MAX_BYTES)
        return err_set(err, ERR_BAD_REQUEST, "%s: %s is too long", where, k->name);
    if (k->choices && !is_choice(k->choices, value))
        return err_set(err, ERR_BAD_REQUEST, "%s: %s must be one of: %s", where, k->name, k->choices);
    if (k->kind == CONFIG_INT && text_parse_u64(value, (uint64_t)k->min, (uint64_t)k->max, n) < 0)
        return err_set(err, ERR_BAD_REQUEST, "%s: %s must be a whole number from %lld to %lld%s%s", where,
                       k->name, (long long)k->min, (long long)k->max, *k->unit ? " " : "", k->unit);
    return 0;
}

/* Before anybody else reads. */
static int set(struct config *c, const struct config_key *k, const char *value, enum config_source source,
               const char *where, struct err *err)
{
    uint64_t n;
    if (read_value(k, value, &n, where, err) < 0)
        return -1;
    c->source[k - keys] = (unsigned char)source;
    if (k->kind == CONFIG_INT) {
        put_number(c, k, (int64_t)n);
        return 0;
    }
    char *copy = strdup(value);
    if (!copy)
        return err_set(err, ERR_INTERNAL, "out of memory");
    free(text_of(c, k));
    put_text(c, k, copy);
    return 0;
}

static bool is_plain_text(const char *s)
{
    size_t len = strlen(s);
    uint32_t ignored;
    for (size_t i = 0, n; i < len; i += n) {
        n = text_utf8_next(s + i, len - i, &ignored);
        if (n == 0)
            return false;
    }
    return !text_has_control(s);
}

/* What is to be said of a text beyond its row. The message must fit into a struct err. */
static int check_value(const char *name, const char *value, struct err *err)
{
    enum { MESSAGE_MAX_BYTES = 200 };
    if (strcmp(name, "maintenance_message") == 0 &&
        (strlen(value) > MESSAGE_MAX_BYTES || !is_plain_text(value)))
        return err_set(err, ERR_BAD_REQUEST, "maintenance_message must be one line of at most %d bytes",
                       MESSAGE_MAX_BYTES);
    return 0;
}

int config_try(const struct config_key *k, const char *value, struct err *err)
{
    uint64_t ignored;
    if (!k->live)
        return err_set(err, ERR_BAD_REQUEST, "%s is changed in the file", k->name);
    if (!is_plain_text(value))
        return err_set(err, ERR_BAD_REQUEST, "%s must be text in one line", k->name);
    return read_value(k, value, &ignored, "setting", err) < 0 ? -1 : check_value(k->name, value, err);
}

int config_change(struct config *c, const struct config_key *k, const char *value, enum config_source source,
                  struct err *err)
{
    uint64_t n;
    if (config_try(k, value, err) < 0 || read_value(k, value, &n, "setting", err) < 0)
        return -1;
    if (k->kind == CONFIG_INT) {
        put_number(c, k, (int64_t)n);
    } else if (strcmp(text_of(c, k), value) != 0) {
        struct config_text *old = malloc(sizeof *old);
        char *copy = strdup(value);
        if (!old || !copy) {
            free(old);
            free(copy);
            return err_set(err, ERR_INTERNAL, "out of memory");
        }
        *old = (struct config_text){c->retired, text_of(c, k)};
        c->retired = old;
        put_text(c, k, copy);
    }
    c->source[k - keys] = (unsigned char)source;
    return 0;
}

static char *trim(char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    size_t n = strlen(s);
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\r'))
        s[--n] = '\0';
    return s;
}

static int load_line(struct config *c, char *line, const char *where, struct err *err)
{
    line = trim(line);
    if (*line == '\0' || *line == '#')
        return 0;
    char *equals = strchr(line, '=');
    if (!equals)
        return err_set(err, ERR_INTERNAL, "%s: expected `key = value`", where);
    *equals = '\0';
    const char *name = trim(line);
    const char *value = trim(equals + 1);
    const struct config_key *k = config_find(name);
    return k ? set(c, k, value, CONFIG_FILE, where, err)
             : err_set(err, ERR_INTERNAL, "%s: unknown key `%s`", where, name);
}

static int load_file(struct config *c, const char *path, struct err *err)
{
    auto_(buf) struct buf text = BUF_INIT(FILE_MAX_BYTES);
    if (io_read_file(path, &text, err) < 0)
        return -1;
    if (text.data && strlen(text.data) != text.len)
        return err_set(err, ERR_INTERNAL, "%s: contains a zero byte", path);
    char *next = text.data;
    for (int number = 1; next; number++) {
        char *line = next;
        char where[512];
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        (void)snprintf(where, sizeof where, "%s:%d", path, number);
        if (load_line(c, line, where, err) < 0)
            return -1;
    }
    return 0;
}

static int load_environment(struct config *c, const struct config_key *k, struct err *err)
{
    char name[80] = "SLUICE_";
    size_t n = strlen(name);
    for (const char *p = k->name; *p && n < sizeof name - 6; p++)
        name[n++] = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
    name[n] = '\0';
    const char *value = getenv(name);
    if (!value && strcmp(k->name, "proxy_url") == 0) {
        value = getenv("PROXY_URL");
        if (value && !*value) /* nobody takes the file's proxy away by a variable of other programs */
            value = NULL;
    }
    if (value)
        return set(c, k, value, CONFIG_ENVIRONMENT, name, err);
    memcpy(name + n, "_FILE", 6);
    const char *path = getenv(name);
    if (!path || k->kind != CONFIG_TEXT || text_ends_with(k->name, "_file"))
        return 0;
    auto_(buf) struct buf text = BUF_INIT(VALUE_MAX_BYTES);
    if (io_read_file(path, &text, err) < 0)
        return -1;
    if (text.data)
        text.data[strcspn(text.data, "\r\n")] = '\0';
    return set(c, k, buf_str(&text), CONFIG_ENVIRONMENT, name, err);
}

static int check(const struct config *c, struct err *err)
{
    static const char blanks[] = ", \t";
    static const char *const schemes[] = {"http://", "https://", "socks5h://", "direct"};
    bool known;
    if (check_value("maintenance_message", c->maintenance_message, err) < 0)
        return -1;
    for (const char *p = c->proxy_url + strspn(c->proxy_url, blanks); *p; p += strspn(p, blanks)) {
        known = false;
        for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
            known |= text_starts_with(p, schemes[i]);
        if (!known)
            return err_set(err, ERR_INTERNAL, "proxy_url must begin with http://, https:// or socks5h://");
        p += strcspn(p, blanks);
    }
    static const char *const databases[] = {"sqlite:/", "postgresql://", "postgres://"};
    known = *c->database == '\0';
    for (size_t i = 0; i < ARRAY_LEN(databases); i++)
        known |= text_starts_with(c->database, databases[i]);
    if (!known)
        return err_set(err, ERR_INTERNAL, "database must begin with sqlite:/ or postgresql://");
    static const char *const sendfiles[] = {"off", "x-sendfile", "x-accel-redirect", "x-lighttpd-send-file"};
    known = false;
    for (size_t i = 0; i < ARRAY_LEN(sendfiles); i++)
        known |= strcmp(c->sendfile, sendfiles[i]) == 0;
    if (!known)
        return err_set(err, ERR_INTERNAL,
                       "sendfile must be off, x-sendfile, x-accel-redirect or x-lighttpd-send-file");
    if (c->data_dir[0] != '/')
        return err_set(err, ERR_INTERNAL, "data_dir must be an absolute path");
    if (*c->public_path && (c->public_path[0] != '/' || strpbrk(c->public_path, "\"'<>?#% \\")))
        return err_set(err, ERR_INTERNAL, "public_path must be a plain path that begins with /");
    if (*c->upstream_ca_file && access(c->upstream_ca_file, R_OK) < 0)
        return err_set(err, ERR_INTERNAL, "upstream_ca_file %s: %s", c->upstream_ca_file, strerror(errno));
    char ports[VALUE_MAX_BYTES + 1];
    (void)text_copy(ports, sizeof ports, c->upstream_ports);
    char *next = ports;
    while (next) {
        uint64_t port;
        char *item = next;
        next = strchr(item, ',');
        if (next)
            *next++ = '\0';
        if (text_parse_u64(trim(item), 1, 65535, &port) < 0)
            return err_set(err, ERR_INTERNAL, "upstream_ports must be a comma-separated list of ports");
    }
    return 0;
}

const char *config_path(void)
{
    static const char usual[] = "/etc/sluice/sluice.conf";
    const char *named = getenv("SLUICE_CONFIG");
    if (named)
        return *named ? named : NULL;
    return access(usual, F_OK) == 0 ? usual : NULL; /* one that cannot be read is an error, not absent */
}

int config_load(struct config *c, const char *path, struct err *err)
{
    *c = (struct config){0};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (set(c, &keys[i], keys[i].fallback, CONFIG_DEFAULT, "default", err) < 0)
            goto failed;
    }
    if (!path)
        path = config_path();
    if (path && *path && load_file(c, path, err) < 0)
        goto failed;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (load_environment(c, &keys[i], err) < 0)
            goto failed;
    }
    if (check(c, err) == 0)
        return 0;
failed:
    config_fini(c);
    return -1;
}

void config_fini(struct config *c)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (keys[i].kind == CONFIG_TEXT)
            free(text_of(c, &keys[i]));
    }
    for (struct config_text *old = c->retired, *next; old; old = next) {
        next = old->next;
        free(old->text);
        free(old);
    }
    *c = (struct config){0};
}

int config_describe(struct buf *out)
{
    (void)buf_adds(out, "# Sluice configuration. Each key is also an environment variable SLUICE_<KEY>.\n"
                        "# Uncomment a line to change it; check with: sluice --check-config\n");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct config_key *k = &keys[i];
        (void)buf_addf(out, "\n# %s\n", k->help);
        if (k->kind == CONFIG_INT)
            (void)buf_addf(out, "# From %lld to %lld%s%s.\n", (long long)k->min, (long long)k->max,
                           *k->unit ? " " : "", k->unit);
        if (k->live)
            (void)buf_adds(out, "# Changes without a restart: on the admin pages, or by `sluice setting`.\n");
        (void)buf_addf(out, "#%s = %s\n", k->name, k->fallback);
    }
    return out->failed ? -1 : 0;
}
