/* The named statements, and what is the same for all engines; see db.h. */
#include "store/db.h"

#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "store/migrate.h"

enum { TRANSACTION_TRIES = 10, RETRY_PAUSE_MS = 10 };

#define API_KEY_COLUMNS                                                                                      \
    "id, secret_sha256, label, owner, state, rate_per_hour, expires_unix_s, addresses, created_unix_s, "     \
    "bytes_per_day, streams_max, sites"

#define USAGE_COLUMNS                                                                                        \
    "start_unix_s, key_id, route, site, choice, code, requests, bytes, cached, "                             \
    "ttfb_10, ttfb_30, ttfb_100, ttfb_300, ttfb_1000, ttfb_3000, ttfb_10000, ttfb_more"
/* The formatter would make a staircase of these. */
/* clang-format off */
#define USAGE_PLUS(table, column) column " = " table "." column " + excluded." column
#define USAGE_ADD(table)                                                                                     \
    ("INSERT INTO " table " (" USAGE_COLUMNS ") "                                                            \
     "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) "                  \
     "ON CONFLICT (start_unix_s, key_id, route, site, choice, code) DO UPDATE SET "                          \
     USAGE_PLUS(table, "requests") ", " USAGE_PLUS(table, "bytes") ", "                                      \
     USAGE_PLUS(table, "cached") ", " USAGE_PLUS(table, "ttfb_10") ", "                                      \
     USAGE_PLUS(table, "ttfb_30") ", " USAGE_PLUS(table, "ttfb_100") ", "                                    \
     USAGE_PLUS(table, "ttfb_300") ", " USAGE_PLUS(table, "ttfb_1000") ", "                                  \
     USAGE_PLUS(table, "ttfb_3000") ", " USAGE_PLUS(table, "ttfb_10000") ", "                                \
     USAGE_PLUS(table, "ttfb_more"))
#define USAGE_OF(column) "CAST(sum(" column ") AS BIGINT)"
#define USAGE_SUM(table, column, where, order)                                                               \
    ("SELECT " column ", " USAGE_OF("requests") ", "                                                         \
     USAGE_OF("CASE WHEN code = 'ok' THEN 0 ELSE requests END") ", "                                         \
     USAGE_OF("bytes") ", " USAGE_OF("cached") ", " USAGE_OF("ttfb_10") ", " USAGE_OF("ttfb_30") ", "        \
     USAGE_OF("ttfb_100") ", " USAGE_OF("ttfb_300") ", " USAGE_OF("ttfb_1000") ", "                          \
     USAGE_OF("ttfb_3000") ", " USAGE_OF("ttfb_10000") ", " USAGE_OF("ttfb_more")                            \
     " FROM " table " WHERE " where " AND start_unix_s >= $2 AND start_unix_s < $3 "                         \
     "GROUP BY " column " ORDER BY " order " LIMIT $4 OFFSET $5")
/* clang-format on */
#define USAGE_ANY_KEY      "($1 = '*' OR key_id = $1)"
#define USAGE_MOST(column) USAGE_SUM("usage_day", column, USAGE_ANY_KEY, "sum(requests) DESC, " column)
#define USAGE_SOON(column) USAGE_SUM("usage_hour", column, USAGE_ANY_KEY, "sum(requests) DESC, " column)
#define USAGE_FORGET(table)                                                                                  \
    ("DELETE FROM " table " WHERE start_unix_s = (SELECT min(start_unix_s) FROM " table ") "                 \
     "AND start_unix_s < $1")

#define JOB_COLUMNS                                                                                          \
    "id, kind, state, owner, input, result, error, message, done_bytes, total_bytes, attempts, "             \
    "max_attempts, run_unix_ms, lease, lease_unix_ms, created_unix_ms, updated_unix_ms"
#define JOB_IS_DUE(now, here, waits)                                                                         \
    "(((state IN ('queued', 'waiting') AND run_unix_ms <= " now                                              \
    ") OR (state = 'running' AND lease_unix_ms <= " now ")) AND place IN ('', " here ") AND later <= " waits \
    ")"

#define CONTENT_COLUMNS                                                                                      \
    "content, tier, place, reference, site, id, bytes, hits, created_unix_s, used_unix_s, expires_unix_s"
#define CONTENT_LEASED(n1, n2, n3, n4)                                                                       \
    "content = " n1 " AND tier = " n2 " AND place = " n3 " AND lease = " n4 " AND state = 'storing'"

/* The pattern is in lower case, and escaped by a backslash. */
#define API_KEY_LIKE                                                                                         \
    "(lower(label) LIKE $1 ESCAPE '\\' OR lower(owner) LIKE $1 ESCAPE '\\' OR id LIKE $1 ESCAPE '\\')"

#define ADMIN_COLUMNS "name, password, role, active, created_unix_s, changed_unix_s"

#define UPLOAD_COLUMNS "job, place, object, upload, etag, part_bytes, created_unix_s"

/* DB_JOB_CLAIM says twice what is due: where several ask at once, PostgreSQL looks only at the second again
 * when it comes to a row that another one has just taken.
 * DB_CACHE_PRUNE and DB_CACHE_EVICT delete in portions, so that other writers get between. 300: a row's key,
 * twice, and what surrounds it. */
static const char *const statements[DB_STMT_COUNT] = {
    [DB_CACHE_GET] = "SELECT value, expires_unix_s FROM media_cache WHERE key = $1 AND expires_unix_s > $2",
    [DB_CACHE_PUT] = ("INSERT INTO media_cache (key, expires_unix_s, value) VALUES ($1, $2, $3) "
                      "ON CONFLICT (key) DO UPDATE SET expires_unix_s = excluded.expires_unix_s, "
                      "value = excluded.value"),
    [DB_CACHE_SIZE] = "SELECT sum(length(value) + 300) FROM media_cache",
    [DB_CACHE_COUNT] = "SELECT count(*) FROM media_cache WHERE expires_unix_s > $1",
    [DB_CACHE_FORGET] = "DELETE FROM media_cache WHERE key >= $1 AND key < $2",
    [DB_CACHE_PURGE] = ("DELETE FROM media_cache WHERE key IN "
                        "(SELECT key FROM media_cache LIMIT $1)"),
    [DB_CACHE_EVICT] = ("DELETE FROM media_cache WHERE key IN "
                        "(SELECT key FROM media_cache ORDER BY expires_unix_s LIMIT $1) "
                        "RETURNING length(value) + 300"),
    [DB_CACHE_DELETE] = "DELETE FROM media_cache WHERE key = $1",
    [DB_CACHE_PRUNE] = ("DELETE FROM media_cache WHERE key IN "
                        "(SELECT key FROM media_cache WHERE expires_unix_s <= $1 LIMIT $2)"),
    [DB_KEY_ADD] =
        "INSERT INTO token_key (id, key, created_unix_s) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    [DB_KEY_LIST] = "SELECT id, key, created_unix_s FROM token_key ORDER BY id DESC LIMIT $1",
    [DB_KEY_RETIRE] = ("DELETE FROM token_key WHERE id < "
                       "(SELECT max(id) FROM token_key WHERE created_unix_s < $1)"),
    [DB_KEY_KEEP] = "DELETE FROM token_key WHERE id < $1",
    [DB_MIGRATION_ADD] = "INSERT INTO schema_migration VALUES ($1, $2, $3)",
    [DB_API_KEY_ADD] = ("INSERT INTO api_key (" API_KEY_COLUMNS ") "
                        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING"),
    [DB_API_KEY_FIND] = ("SELECT " API_KEY_COLUMNS " FROM api_key WHERE id = $1"),
    [DB_API_KEY_LIST] = ("SELECT " API_KEY_COLUMNS " FROM api_key ORDER BY created_unix_s, id"),
    [DB_API_KEY_PAGE] = ("SELECT " API_KEY_COLUMNS " FROM api_key WHERE " API_KEY_LIKE
                         " ORDER BY CASE $2 WHEN 'label' THEN lower(label) WHEN 'owner' THEN lower(owner) "
                         "WHEN 'state' THEN state ELSE '' END, created_unix_s DESC, id LIMIT $3 OFFSET $4"),
    [DB_API_KEY_COUNT] = ("SELECT count(*) FROM api_key WHERE " API_KEY_LIKE),
    [DB_API_KEY_STATE] = "UPDATE api_key SET state = $1 WHERE id = $2 AND state <> 'revoked'",
    [DB_API_KEY_UPDATE] = ("UPDATE api_key SET label = $1, owner = $2, rate_per_hour = $3, "
                           "expires_unix_s = $4, addresses = $5, bytes_per_day = $6, streams_max = $7, "
                           "sites = $8 WHERE id = $9"),
    [DB_RATE_GET] = "SELECT full_unix_us, lent, lent_until_unix_us FROM rate WHERE subject = $1",
    [DB_RATE_TAKE] = ("INSERT INTO rate (subject, full_unix_us, lent, lent_until_unix_us) "
                      "VALUES ($1, $2 + $3, $4, $5) ON CONFLICT (subject) DO UPDATE SET full_unix_us = $3 + "
                      "CASE WHEN rate.full_unix_us > $2 THEN rate.full_unix_us ELSE $2 END, lent = $4 + "
                      "CASE WHEN rate.lent_until_unix_us > $2 THEN rate.lent ELSE 0 END, "
                      "lent_until_unix_us = CASE WHEN rate.lent_until_unix_us > $5 "
                      "THEN rate.lent_until_unix_us ELSE $5 END "
                      "WHERE rate.full_unix_us <= $2 + $6 - $3 RETURNING full_unix_us"),
    [DB_RATE_GIVE_BACK] = ("UPDATE rate SET full_unix_us = full_unix_us - $1, "
                           "lent = CASE WHEN lent > 0 THEN lent - 1 ELSE 0 END WHERE subject = $2"),
    [DB_RATE_REFUND] = "UPDATE rate SET full_unix_us = full_unix_us - $1 WHERE subject = $2",
    [DB_RATE_RESCALE] =
        ("UPDATE rate SET full_unix_us = $1 + $2 * CASE WHEN (full_unix_us - $1) / $3 > $4 "
         "THEN $4 ELSE (full_unix_us - $1) / $3 END "
         "WHERE subject = $5 AND full_unix_us > $1 AND (lent = 0 OR lent_until_unix_us <= $1)"),
    [DB_RATE_NOTE] = ("INSERT INTO rate (subject, full_unix_us) VALUES ($1, $2) ON CONFLICT (subject) "
                      "DO UPDATE SET full_unix_us = excluded.full_unix_us WHERE rate.full_unix_us <= $3"),
    [DB_RATE_PRUNE] = ("DELETE FROM rate WHERE subject IN "
                       "(SELECT subject FROM rate WHERE full_unix_us <= $1 LIMIT $2)"),
    [DB_TOKEN_MARK_GET] = "SELECT revoked, holder, holder_day, done_unix_s FROM token_mark WHERE id = $1",
    [DB_TOKEN_MARK_REVOKE] = ("INSERT INTO token_mark VALUES ($1, $2, 1, '', 0, 0, 0, 0) ON CONFLICT (id) "
                              "DO UPDATE SET revoked = 1"),
    [DB_TOKEN_MARK_CLAIM] =
        ("INSERT INTO token_mark VALUES ($1, $2, 0, $3, $4, 0, 0, 0) ON CONFLICT (id) DO UPDATE SET "
         "holder = excluded.holder, holder_day = excluded.holder_day "
         "WHERE token_mark.holder = '' OR token_mark.holder_day < excluded.holder_day"),
    [DB_TOKEN_MARK_SENT] =
        ("UPDATE token_mark SET sent_bytes = sent_bytes + $1, "
         "at_end = CASE WHEN $2 = 1 THEN 1 ELSE at_end END, "
         "done_unix_s = CASE WHEN done_unix_s = 0 AND ($2 = 1 OR at_end = 1) AND sent_bytes + $1 >= $3 "
         "THEN $4 ELSE done_unix_s END WHERE id = $5"),
    [DB_TOKEN_MARK_PRUNE] = ("DELETE FROM token_mark WHERE id IN "
                             "(SELECT id FROM token_mark WHERE until_unix_s <= $1 LIMIT $2)"),
    [DB_DAY_KEY_ADD] = "INSERT INTO day_key (day, key) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    [DB_DAY_KEY_GET] = "SELECT key FROM day_key WHERE day = $1",
    [DB_HEALTH_ADD] = ("INSERT INTO client_health (minute, client, kind, outcome, credit, count, took_ms, "
                       "last_unix_s, why) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
                       "ON CONFLICT (minute, client, kind, outcome) DO UPDATE SET "
                       "count = client_health.count + excluded.count, "
                       "took_ms = client_health.took_ms + excluded.took_ms, "
                       "last_unix_s = excluded.last_unix_s, why = excluded.why"),
    [DB_HEALTH_RECENT] = ("SELECT client, kind, credit, CAST(sum(count) AS BIGINT), "
                          "CAST(sum(took_ms) AS BIGINT), max(last_unix_s) FROM client_health "
                          "WHERE minute >= $1 AND credit <> 0 GROUP BY minute, client, kind, credit "
                          "ORDER BY minute DESC LIMIT $2"),
    [DB_HEALTH_SUMS] = ("SELECT client, kind, outcome, credit, CAST(sum(count) AS BIGINT), "
                        "CAST(sum(took_ms) AS BIGINT), max(last_unix_s), max(why) FROM client_health "
                        "WHERE minute >= $1 GROUP BY client, kind, outcome, credit "
                        "ORDER BY client, kind, credit DESC, 5 DESC LIMIT $2"),
    [DB_HEALTH_FORGET] = "DELETE FROM client_health WHERE minute < $1",
    [DB_ADMIN_ADD] = ("INSERT INTO admin_user (" ADMIN_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6) "
                      "ON CONFLICT DO NOTHING"),
    [DB_ADMIN_COUNT] = "SELECT count(*) FROM admin_user",
    [DB_ADMIN_FIND] = ("SELECT " ADMIN_COLUMNS " FROM admin_user WHERE name = $1"),
    [DB_ADMIN_LIST] = ("SELECT " ADMIN_COLUMNS " FROM admin_user ORDER BY name"),
    [DB_ADMIN_PASSWORD] = "UPDATE admin_user SET password = $1, changed_unix_s = $2 WHERE name = $3",
    [DB_ADMIN_UPDATE] = ("UPDATE admin_user SET role = $1, active = $2 WHERE name = $3 AND "
                         "(($1 = 'admin' AND $2 = 1) OR EXISTS (SELECT 1 FROM admin_user AS other WHERE "
                         "other.role = 'admin' AND other.active = 1 AND other.name <> $3))"),
    [DB_SESSION_ADD] =
        "INSERT INTO session (id_sha256, name, created_unix_s, seen_unix_s) VALUES ($1, $2, $3, $3)",
    [DB_SESSION_FIND] = ("SELECT session.name, role, session.created_unix_s, seen_unix_s FROM session "
                         "JOIN admin_user ON admin_user.name = session.name WHERE id_sha256 = $1 AND "
                         "active = 1 AND session.created_unix_s > $2 AND seen_unix_s > $3"),
    [DB_SESSION_SEEN] = "UPDATE session SET seen_unix_s = $1 WHERE id_sha256 = $2",
    [DB_SESSION_END] = "DELETE FROM session WHERE id_sha256 = $1",
    [DB_SESSION_END_OF] = "DELETE FROM session WHERE name = $1 AND id_sha256 <> $2",
    [DB_SESSION_PRUNE] = "DELETE FROM session WHERE created_unix_s <= $1 OR seen_unix_s <= $2",
    [DB_LOGIN_FAILURE_GET] = "SELECT count, last_unix_s FROM login_failure WHERE subject = $1",
    [DB_LOGIN_FAILURE_ADD] = ("INSERT INTO login_failure (subject, count, last_unix_s) VALUES ($1, 1, $2) "
                              "ON CONFLICT (subject) DO UPDATE SET count = login_failure.count + 1, "
                              "last_unix_s = excluded.last_unix_s"),
    [DB_LOGIN_FAILURE_FORGET] = "DELETE FROM login_failure WHERE subject = $1",
    [DB_LOGIN_FAILURE_PRUNE] = "DELETE FROM login_failure WHERE last_unix_s <= $1",
    [DB_AUDIT_ADD] = ("INSERT INTO audit (at_unix_us, name, action, subject, before, after) "
                      "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"),
    [DB_AUDIT_LIST] = ("SELECT at_unix_us, name, action, subject, before, after FROM audit "
                       "WHERE at_unix_us < $1 AND ($2 = '' OR name = $2) AND ($3 = '' OR action = $3) "
                       "ORDER BY at_unix_us DESC LIMIT $4"),
    [DB_SETTING_LIST] = "SELECT name, value, changed_by, changed_unix_s FROM setting",
    [DB_SETTING_PUT] = ("INSERT INTO setting (name, value, changed_by, changed_unix_s) "
                        "VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE SET value = excluded.value, "
                        "changed_by = excluded.changed_by, changed_unix_s = excluded.changed_unix_s"),
    [DB_SETTING_DROP] = "DELETE FROM setting WHERE name = $1",
    [DB_TOTP_FIND] = "SELECT secret, confirmed FROM admin_totp WHERE name = $1",
    [DB_TOTP_BEGIN] = ("INSERT INTO admin_totp (name, secret, confirmed, last_step) VALUES ($1, $2, 0, 0) "
                       "ON CONFLICT (name) DO UPDATE SET secret = excluded.secret "
                       "WHERE admin_totp.confirmed = 0"),
    [DB_TOTP_CONFIRM] = ("UPDATE admin_totp SET confirmed = 1, last_step = $1 WHERE name = $2 AND "
                         "secret = $3 AND confirmed = 0"),
    [DB_TOTP_USE] = "UPDATE admin_totp SET last_step = $1 WHERE name = $2 AND last_step < $1",
    [DB_TOTP_FORGET] = "DELETE FROM admin_totp WHERE name = $1",
    [DB_RECOVERY_ADD] = "INSERT INTO admin_recovery (name, code_sha256) VALUES ($1, $2)",
    [DB_RECOVERY_USE] = "DELETE FROM admin_recovery WHERE name = $1 AND code_sha256 = $2",
    [DB_RECOVERY_COUNT] = "SELECT count(*) FROM admin_recovery WHERE name = $1",
    [DB_RECOVERY_FORGET] = "DELETE FROM admin_recovery WHERE name = $1",
    [DB_CLIENT_VERSION_ADD] =
        ("INSERT INTO client_version (at_unix_us, name, sha256, text) SELECT $1, $2, $3, $4 WHERE NOT EXISTS "
         "(SELECT 1 FROM client_version WHERE sha256 = $3 AND at_unix_us = "
         "(SELECT max(at_unix_us) FROM client_version)) ON CONFLICT DO NOTHING"),
    [DB_CLIENT_VERSION_LIST] = ("SELECT at_unix_us, name, sha256, length(text) FROM client_version "
                                "ORDER BY at_unix_us DESC"),
    [DB_CLIENT_VERSION_GET] = "SELECT text FROM client_version WHERE at_unix_us = $1",
    [DB_CLIENT_VERSION_FORGET] =
        ("DELETE FROM client_version WHERE at_unix_us < (SELECT min(at_unix_us) FROM "
         "(SELECT at_unix_us FROM client_version ORDER BY at_unix_us DESC LIMIT $1) AS kept)"),
    [DB_SLICE_PUT] = ("INSERT INTO slice (place, name, site, id, bytes, stored_unix_s, used_unix_s) "
                      "VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (place, name) "
                      "DO UPDATE SET bytes = excluded.bytes, used_unix_s = excluded.used_unix_s"),
    [DB_SLICE_TOUCH] = "UPDATE slice SET used_unix_s = $1 WHERE place = $2 AND name = $3",
    [DB_SLICE_DELETE] = "DELETE FROM slice WHERE place = $1 AND name = $2",
    [DB_SLICE_FIND] = "SELECT bytes FROM slice WHERE place = $1 AND name = $2",
    [DB_SLICE_SUM] = ("SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT), count(*), "
                      "coalesce(min(used_unix_s), 0) FROM slice WHERE place = $1"),
    [DB_SLICE_OLDEST] = "SELECT name, bytes FROM slice WHERE place = $1 ORDER BY used_unix_s, name LIMIT $2",
    [DB_SLICE_LIST] = ("SELECT name, bytes FROM slice WHERE place = $1 AND ($2 = '' OR site = $2) "
                       "AND ($3 = '' OR id = $3) AND used_unix_s < $4 AND name > $5 ORDER BY name LIMIT $6"),
    [DB_CLIENT_DATA_PUT] =
        ("INSERT INTO client_data (id, at_unix_us, text) VALUES (1, $1, $2) ON CONFLICT (id) DO UPDATE SET "
         "at_unix_us = CASE WHEN client_data.at_unix_us >= excluded.at_unix_us "
         "THEN client_data.at_unix_us + 1 ELSE excluded.at_unix_us END, text = excluded.text "
         "RETURNING at_unix_us"),
    [DB_CLIENT_DATA_CHANGE] = "SELECT at_unix_us FROM client_data",
    [DB_CLIENT_DATA_GET] = "SELECT at_unix_us, text FROM client_data",
    [DB_FAILURE_ADD] = ("INSERT INTO extract_failure (at_unix_us, site, id, code, error, trace) "
                        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"),
    [DB_FAILURE_LIST] = ("SELECT at_unix_us, site, id, code, error, trace FROM extract_failure "
                         "ORDER BY at_unix_us DESC LIMIT $1"),
    [DB_FAILURE_FORGET] =
        ("DELETE FROM extract_failure WHERE at_unix_us < (SELECT min(at_unix_us) FROM "
         "(SELECT at_unix_us FROM extract_failure ORDER BY at_unix_us DESC LIMIT $1) AS kept)"),
    [DB_DAY_KEY_FORGET] = "DELETE FROM day_key WHERE day < $1",
    [DB_USAGE_ADD_HOUR] = USAGE_ADD("usage_hour"),
    [DB_USAGE_ADD_DAY] = USAGE_ADD("usage_day"),
    [DB_USAGE_BY_HOUR] = USAGE_SUM("usage_hour", "start_unix_s", USAGE_ANY_KEY, "start_unix_s"),
    [DB_USAGE_BY_DAY] = USAGE_SUM("usage_day", "start_unix_s", USAGE_ANY_KEY, "start_unix_s"),
    [DB_USAGE_BY_KEY] = USAGE_MOST("key_id"),
    [DB_USAGE_BY_ROUTE] = USAGE_MOST("route"),
    [DB_USAGE_BY_SITE] = USAGE_MOST("site"),
    [DB_USAGE_BY_CHOICE] = USAGE_MOST("choice"),
    [DB_USAGE_BY_CODE] = USAGE_MOST("code"),
    [DB_USAGE_BY_HOUR_OF_KEY] = USAGE_SUM("usage_hour", "start_unix_s", "key_id = $1", "start_unix_s"),
    [DB_USAGE_BY_DAY_OF_KEY] = USAGE_SUM("usage_day", "start_unix_s", "key_id = $1", "start_unix_s"),
    [DB_USAGE_SOON_BY_KEY] = USAGE_SOON("key_id"),
    [DB_USAGE_SOON_BY_ROUTE] = USAGE_SOON("route"),
    [DB_USAGE_SOON_BY_SITE] = USAGE_SOON("site"),
    [DB_USAGE_SOON_BY_CHOICE] = USAGE_SOON("choice"),
    [DB_USAGE_SOON_BY_CODE] = USAGE_SOON("code"),
    [DB_USAGE_ADD_MINUTE] =
        ("INSERT INTO usage_minute (start_unix_s, requests, errors, quota, bytes, cached) "
         "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (start_unix_s) DO UPDATE SET " USAGE_PLUS("usage_minute", "requests") ", " USAGE_PLUS(
             "usage_minute",
             "errors") ", " USAGE_PLUS("usage_minute",
                                       "quota") ", " USAGE_PLUS("usage_minute",
                                                                "bytes") ", " USAGE_PLUS("usage_minute",
                                                                                         "cached")),
    [DB_USAGE_BY_MINUTE] = ("SELECT start_unix_s, requests, errors, quota, bytes, cached FROM usage_minute "
                            "WHERE start_unix_s >= $1 ORDER BY start_unix_s"),
    [DB_USAGE_FORGET_MINUTES] = "DELETE FROM usage_minute WHERE start_unix_s < $1",
    [DB_USAGE_FORGET_HOURS] = USAGE_FORGET("usage_hour"),
    [DB_USAGE_FORGET_DAYS] = USAGE_FORGET("usage_day"),
    [DB_JOB_ADD] = ("INSERT INTO job (" JOB_COLUMNS ", place, later) "
                    "VALUES ($1, $2, 'queued', $3, $4, '', '', '', 0, 0, 0, $5, $6, '', 0, $6, $6, $7, $8)"),
    [DB_JOB_COUNT_OPEN] = ("SELECT count(*), count(CASE WHEN owner = $1 THEN 1 END) FROM job "
                           "WHERE state IN ('queued', 'waiting', 'running')"),
    [DB_JOB_GET] = ("SELECT " JOB_COLUMNS " FROM job WHERE id = $1"),
    [DB_JOB_DUE] = ("SELECT 1 FROM job WHERE " JOB_IS_DUE("$1", "$2", "$3") " LIMIT 1"),
    [DB_JOB_CLAIM] =
        ("UPDATE job SET lease = $1, lease_unix_ms = $2, updated_unix_ms = $3, state = 'running', "
         "attempts = attempts + 1 WHERE id = (SELECT id FROM job WHERE " JOB_IS_DUE(
             "$3", "$4",
             "$5") " ORDER BY later, run_unix_ms LIMIT 1) AND " JOB_IS_DUE("$3", "$4",
                                                                           "$5") " RETURNING " JOB_COLUMNS),
    [DB_JOB_RENEW] = "UPDATE job SET lease_unix_ms = $1 WHERE id = $2 AND lease = $3 AND state = 'running'",
    [DB_JOB_PROGRESS] =
        ("UPDATE job SET done_bytes = $1, total_bytes = $2, message = $3, updated_unix_ms = $4 "
         "WHERE id = $5 AND lease = $6 AND state = 'running'"),
    [DB_JOB_DONE] = ("UPDATE job SET state = 'done', result = $1, error = '', updated_unix_ms = $2 "
                     "WHERE id = $3 AND lease = $4 AND state = 'running'"),
    [DB_JOB_FAILED] = ("UPDATE job SET state = $1, error = $2, run_unix_ms = $3, updated_unix_ms = $4 "
                       "WHERE id = $5 AND lease = $6 AND state = 'running'"),
    [DB_JOB_RELEASE] = ("UPDATE job SET state = 'queued', attempts = attempts - 1, updated_unix_ms = $1 "
                        "WHERE id = $2 AND lease = $3 AND state = 'running'"),
    [DB_JOB_CANCEL] = ("UPDATE job SET state = 'cancelled', updated_unix_ms = $1 WHERE id = $2 "
                       "AND state IN ('queued', 'waiting', 'running')"),
    [DB_JOB_RETRY] =
        ("UPDATE job SET state = 'queued', attempts = 0, error = '', message = '', done_bytes = 0, "
         "run_unix_ms = $1, updated_unix_ms = $1 WHERE id = $2 "
         "AND state IN ('failed', 'cancelled')"),
    [DB_JOB_LIST] = ("SELECT " JOB_COLUMNS " FROM job WHERE ($1 = '' OR owner = $1) "
                     "AND ($2 = '' OR state = $2) AND (created_unix_ms < $3 OR (created_unix_ms = $3 AND "
                     "id < $4)) ORDER BY created_unix_ms DESC, id DESC LIMIT $5"),
    [DB_JOB_COUNT] = "SELECT state, count(*) FROM job GROUP BY state",
    [DB_JOB_PRUNE] = ("DELETE FROM job WHERE id IN (SELECT id FROM job WHERE updated_unix_ms <= $1 "
                      "AND state IN ('done', 'failed', 'cancelled') LIMIT $2)"),
    [DB_CONTENT_FIND] = ("SELECT " CONTENT_COLUMNS " FROM content_cache WHERE content = $1 "
                         "AND place IN ('', $2) AND state = 'stored' AND expires_unix_s > $3"),
    [DB_CONTENT_KNOWN] = "SELECT 1 FROM content_cache WHERE content = $1 AND tier = $2 AND place = $3",
    [DB_CONTENT_SEEN] =
        ("INSERT INTO content_cache (" CONTENT_COLUMNS ", state, lease) "
         "VALUES ($1, 'source', '', '', $2, $3, 0, 1, $4, $4, $5, 'seen', '') "
         "ON CONFLICT (content, tier, place) DO UPDATE SET "
         "hits = CASE WHEN content_cache.expires_unix_s > $4 THEN content_cache.hits + 1 ELSE 1 END, "
         "created_unix_s = CASE WHEN content_cache.expires_unix_s > $4 THEN content_cache.created_unix_s "
         "ELSE $4 END, expires_unix_s = CASE WHEN content_cache.expires_unix_s > $4 "
         "THEN content_cache.expires_unix_s ELSE $5 END, used_unix_s = $4 RETURNING hits"),
    [DB_CONTENT_USED] = ("UPDATE content_cache SET hits = hits + $1, used_unix_s = $2 "
                         "WHERE content = $3 AND tier = $4 AND place = $5"),
    [DB_CONTENT_CLAIM] =
        ("INSERT INTO content_cache (content, tier, place, lease, site, id, bytes, created_unix_s, "
         "used_unix_s, expires_unix_s, state, reference, hits) "
         "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, 'storing', '', 0) "
         "ON CONFLICT (content, tier, place) DO UPDATE SET state = 'storing', lease = excluded.lease, "
         "bytes = excluded.bytes, created_unix_s = $8, expires_unix_s = excluded.expires_unix_s "
         "WHERE content_cache.state IN ('storing', 'refused') AND content_cache.expires_unix_s <= $8"),
    [DB_CONTENT_RENEW] = ("UPDATE content_cache SET expires_unix_s = $1 WHERE " CONTENT_LEASED("$2", "$3",
                                                                                               "$4", "$5")),
    [DB_CONTENT_STORED] =
        ("UPDATE content_cache SET state = 'stored', reference = $1, bytes = $2, created_unix_s = $3, "
         "used_unix_s = $3, expires_unix_s = $4 WHERE " CONTENT_LEASED("$5", "$6", "$7", "$8")),
    [DB_CONTENT_REFUSED] = ("UPDATE content_cache SET state = 'refused', expires_unix_s = $1 "
                            "WHERE " CONTENT_LEASED("$2", "$3", "$4", "$5")),
    [DB_CONTENT_GONE] =
        "DELETE FROM content_cache WHERE content = $1 AND tier = $2 AND place = $3 AND reference = $4",
    [DB_CONTENT_LEAVE] =
        ("UPDATE content_cache SET state = 'leaving', expires_unix_s = $1 WHERE state = 'stored' "
         "AND ($2 = '' OR tier = $2) AND ($3 = '' OR place = $3) AND ($4 = '' OR content = $4) "
         "AND ($5 = '' OR site = $5) AND ($6 = '' OR id = $6) AND used_unix_s <= $7"),
    [DB_CONTENT_EXPIRE] = ("UPDATE content_cache SET state = 'leaving', expires_unix_s = $1 "
                           "WHERE state = 'stored' AND expires_unix_s <= $2"),
    [DB_CONTENT_FORGET] = ("DELETE FROM content_cache WHERE state IN ('seen', 'storing', 'refused') "
                           "AND expires_unix_s <= $1"),
    [DB_CONTENT_LEFT] = ("SELECT " CONTENT_COLUMNS " FROM content_cache WHERE state = 'leaving' "
                         "AND place IN ('', $1) AND expires_unix_s <= $2 LIMIT $3"),
    [DB_CONTENT_LIST] = ("SELECT " CONTENT_COLUMNS " FROM content_cache WHERE tier = $1 AND place = $2 "
                         "AND state = 'stored' AND content > $3 ORDER BY content LIMIT $4"),
    [DB_CONTENT_OLDEST] = ("SELECT " CONTENT_COLUMNS " FROM content_cache WHERE tier = $1 AND place = $2 "
                           "AND state = 'stored' ORDER BY used_unix_s, content LIMIT $3"),
    [DB_CONTENT_SUMS] =
        ("SELECT tier, place, state, count(*), CAST(coalesce(sum(bytes), 0) AS BIGINT), "
         "CAST(coalesce(sum(hits), 0) AS BIGINT) FROM content_cache GROUP BY tier, place, state "
         "ORDER BY tier, place, state"),
    [DB_UPLOAD_PUT] = ("INSERT INTO upload (" UPLOAD_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7) "
                       "ON CONFLICT (job) DO UPDATE SET place = excluded.place, object = excluded.object, "
                       "upload = excluded.upload, etag = excluded.etag, part_bytes = excluded.part_bytes, "
                       "created_unix_s = excluded.created_unix_s"),
    [DB_UPLOAD_GET] = ("SELECT " UPLOAD_COLUMNS " FROM upload WHERE job = $1"),
    [DB_UPLOAD_DROP] = "DELETE FROM upload WHERE job = $1",
    [DB_UPLOAD_LEFT] = ("SELECT " UPLOAD_COLUMNS " FROM upload WHERE place = $1 AND NOT EXISTS "
                        "(SELECT 1 FROM job WHERE job.id = upload.job AND (updated_unix_ms > $2 "
                        "OR state IN ('queued', 'waiting', 'running'))) LIMIT 1"),
};

const char *db_stmt_text(enum db_stmt id)
{
    return statements[id];
}

int db_open(struct db **out, const char *where, int wait_ms, struct err *err)
{
    auto_ptr(db) struct db *db = NULL;
    const struct db_engine *engine = *where == '/' ? &db_sqlite : &db_postgres;
    if (engine->open(&db, where, wait_ms, err) < 0 || migrate(db, err) < 0)
        return -1;
    *out = steal(&db);
    return 0;
}

void db_close(struct db *db)
{
    if (db)
        db->engine->close(db);
}

void db_set_wait(struct db *db, int wait_ms)
{
    db->engine->set_wait(db, wait_ms);
}

bool db_is_lost(struct db *db)
{
    return db->engine->is_lost(db);
}

int db_run(struct db *db, enum db_stmt id, const struct db_value *values, struct err *err)
{
    return db->engine->run(db, id, values, err);
}

int db_next(struct db *db, enum db_stmt id, struct err *err)
{
    return db->engine->next(db, id, err);
}

void db_reset(struct db *db, enum db_stmt id)
{
    db->engine->reset(db, id);
}

int64_t db_column_int(struct db *db, enum db_stmt id, int column)
{
    return db->engine->column_int(db, id, column);
}

const void *db_column_blob(struct db *db, enum db_stmt id, int column, size_t *len)
{
    return db->engine->column_blob(db, id, column, len);
}

int db_column_text(struct db *db, enum db_stmt id, int column, char *out, size_t room)
{
    size_t len;
    const void *text = db_column_blob(db, id, column, &len);
    size_t n = !text ? 0 : len < room ? len : room - 1;
    if (n)
        memcpy(out, text, n);
    out[n] = '\0';
    return n == len ? 0 : -1;
}

int64_t db_changes(struct db *db)
{
    return db->engine->changes(db);
}

int db_exec(struct db *db, const char *sql, struct err *err)
{
    return db->engine->exec(db, sql, err);
}

int db_ask(struct db *db, const char *sql, int64_t *answer, struct err *err)
{
    return db->engine->ask(db, sql, answer, err);
}

static int try_transaction(struct db *db, int (*body)(struct db *, void *, struct err *), void *ctx,
                           struct err *err)
{
    db->retry = false;
    if (db_exec(db, db->engine->begin, err) < 0)
        return -1;
    int rc = body(db, ctx, err);
    if (rc >= 0 && db_exec(db, "COMMIT", err) < 0)
        rc = -1;
    if (rc < 0 && !db->spoilt) {
        bool retry = db->retry;
        struct err ignored;
        db->spoilt = db_exec(db, "ROLLBACK", &ignored) < 0; /* who comes next must not find it open */
        db->retry = retry;
    }
    return rc;
}

int db_transact(struct db *db, int (*body)(struct db *db, void *ctx, struct err *err), void *ctx,
                struct err *err)
{
    for (int tries = 1;; tries++) {
        int rc = try_transaction(db, body, ctx, err);
        if (rc >= 0 || !db->retry || db->spoilt || tries == TRANSACTION_TRIES)
            return rc;
        uint16_t random;
        hash_random(&random, sizeof random); /* so that those who collided do not do it again */
        clock_sleep_ms((unsigned)tries * RETRY_PAUSE_MS * random / UINT16_MAX);
    }
}
