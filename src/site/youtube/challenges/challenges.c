/* See challenges.h. Here: finding out what has to be solved, and putting it in its place. */
#include "site/youtube/challenges/challenges.h"

#include <string.h>

#include "base/text.h"
#include "site/youtube/challenges/player_script.h"
#include "site/youtube/path.h"

enum { URL_MAX_BYTES = 8192, TEXT_MAX_BYTES = 1024 };

/* One format's URL on its way. */
struct job {
    json_t *row;
    struct buf url;  /* without the signature */
    struct buf sig;  /* decoded, "" where there is none */
    struct buf name; /* of the parameter it goes to */
    struct buf n;    /* as it stands in the URL, "" where there is none */
};

struct jobs {
    struct job list[CHALLENGES_MAX];
    size_t count;
};

static void job_fini(struct job *job)
{
    buf_fini(&job->url);
    buf_fini(&job->sig);
    buf_fini(&job->name);
    buf_fini(&job->n);
}

static void jobs_free(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++)
        job_fini(&jobs->list[i]);
    free(jobs);
}

/* ------------------------------------------------------------------------------------------------ */
/* Queries */

/* Finds a parameter in `name=value&…`; NULL: there is none. */
static const char *parameter(const char *query, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    for (const char *p = query; *p; p += strcspn(p, "&"), p += *p == '&') {
        if (strncmp(p, name, name_len) == 0 && p[name_len] == '=') {
            *len = strcspn(p + name_len + 1, "&");
            return p + name_len + 1;
        }
    }
    return NULL;
}

/* Appends it decoded; printable ASCII only. */
static int add_decoded(struct buf *out, const char *query, const char *name)
{
    size_t len;
    const char *p = parameter(query, name, &len);
    if (!p)
        return 0;
    if (text_percent_decode(out, p, len, true) < 0)
        return -1;
    for (const char *c = buf_str(out); *c; c++) {
        if (*c <= ' ' || *c > '~')
            return -1;
    }
    return 0;
}

static const char *query_of(const char *url)
{
    const char *mark = strchr(url, '?');
    return mark ? mark + 1 : "";
}

/* ------------------------------------------------------------------------------------------------ */

/* Reads a row; false: it has no URL in any form, or a strange one. */
static bool job_init(struct job *job, json_t *row)
{
    const char *cipher = path_text(row, "signatureCipher");
    const char *url = path_text(row, "url");
    *job = (struct job){row, BUF_INIT(URL_MAX_BYTES), BUF_INIT(TEXT_MAX_BYTES), BUF_INIT(64),
                        BUF_INIT(TEXT_MAX_BYTES)};
    if (!url && !cipher)
        return false;
    if (url)
        (void)buf_adds(&job->url, url);
    else if (add_decoded(&job->url, cipher, "url") < 0 || add_decoded(&job->sig, cipher, "s") < 0 ||
             add_decoded(&job->name, cipher, "sp") < 0)
        job->url.failed = true;
    bool ok = !job->url.failed && add_decoded(&job->n, query_of(buf_str(&job->url)), "n") == 0 &&
              (url || job->sig.len > 0);
    if (ok && job->name.len == 0)
        ok = buf_adds(&job->name, "signature") == 0; /* what the site means where it says nothing */
    return ok;
}

static void collect(struct jobs *jobs, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list) && jobs->count < CHALLENGES_MAX; i++) {
        json_t *row = json_array_get(list, i);
        struct job *job = &jobs->list[jobs->count];
        bool ok = job_init(job, row);
        if (ok && (job->sig.len > 0 || job->n.len > 0)) {
            jobs->count++;
            continue;
        }
        job_fini(job);
        if (!ok)
            (void)json_object_del(row, "url");
    }
}

/* url with n replaced and the signature added. */
static int finish(struct job *job, const char *sig, const char *n)
{
    auto_(buf) struct buf out = BUF_INIT(URL_MAX_BYTES);
    const char *url = buf_str(&job->url);
    size_t len = 0;
    const char *old = n ? parameter(query_of(url), "n", &len) : NULL;
    const char *tail = old ? old + len : url;
    if (old) {
        (void)buf_add(&out, url, (size_t)(old - url));
        (void)text_percent_encode(&out, n);
    }
    (void)buf_adds(&out, tail);
    if (sig) {
        (void)buf_addc(&out, strchr(url, '?') ? '&' : '?');
        (void)text_percent_encode(&out, buf_str(&job->name));
        (void)buf_addc(&out, '=');
        (void)text_percent_encode(&out, sig);
    }
    return out.failed ? -1 : json_object_set_new(job->row, "url", json_string(buf_str(&out)));
}

int challenges_solve(const struct site_env *env, const char *user_agent, const struct player_script *script,
                     json_t *player, struct err *err)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs)
        return err_set(err, ERR_INTERNAL, "out of memory");
    collect(jobs, path_get(player, "streamingData.formats"));
    collect(jobs, path_get(player, "streamingData.adaptiveFormats"));
    if (jobs->count == 0) {
        jobs_free(jobs);
        return 0;
    }
    json_t *questions = json_array();
    for (size_t i = 0; i < jobs->count; i++) {
        const struct job *job = &jobs->list[i];
        (void)json_array_append_new(questions, json_pack("[s?,s?]", job->sig.len ? buf_str(&job->sig) : NULL,
                                                         job->n.len ? buf_str(&job->n) : NULL));
    }
    json_t *answers = player_script_solve(env, user_agent, script, questions, err);
    json_decref(questions);
    struct site_note note = {.step = SITE_SOLVED, .client = "", .why = answers ? "" : err->text};
    for (size_t i = 0; i < jobs->count; i++) {
        struct job *job = &jobs->list[i];
        const json_t *answer = json_array_get(answers, i);
        const char *sig = json_string_value(json_array_get(answer, 0));
        const char *n = json_string_value(json_array_get(answer, 1));
        note.signatures += sig != NULL;
        note.params += n != NULL;
        if ((job->sig.len && !sig) || (job->n.len && !n) || finish(job, sig, n) < 0) {
            (void)json_object_del(job->row, "url");
            note.unsolved++;
        }
    }
    if (env->note)
        env->note(env->note_ctx, &note);
    int rc = answers ? 0 : -1;
    json_decref(answers);
    jobs_free(jobs);
    return rc;
}
