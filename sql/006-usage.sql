-- Processes take admissions ahead where many are asked for (store/credit.h). lent: how many processes hold some
-- that are not spent; until lent_until they may come back, and until then nobody is refused on account of them.
ALTER TABLE rate ADD COLUMN lent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rate ADD COLUMN lent_until_unix_us INTEGER NOT NULL DEFAULT 0;

-- More limits of keys. 0 and the empty text: as the settings say.
ALTER TABLE api_key ADD COLUMN bytes_per_day INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_key ADD COLUMN streams_max INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_key ADD COLUMN sites TEXT NOT NULL DEFAULT ''; -- names, comma-separated

-- What was asked for and how it went, by hour and by day. Of people there is nothing in it: no address, no link,
-- no title. ttfb: how many had their first byte within so many milliseconds (and not within the one before).
CREATE TABLE usage_hour (
    start_unix_s INTEGER NOT NULL,
    key_id       TEXT NOT NULL, -- empty: without a key
    route        TEXT NOT NULL,
    site         TEXT NOT NULL,
    choice       TEXT NOT NULL,
    code         TEXT NOT NULL,
    requests     INTEGER NOT NULL,
    bytes        INTEGER NOT NULL,
    cached       INTEGER NOT NULL,
    ttfb_10      INTEGER NOT NULL,
    ttfb_30      INTEGER NOT NULL,
    ttfb_100     INTEGER NOT NULL,
    ttfb_300     INTEGER NOT NULL,
    ttfb_1000    INTEGER NOT NULL,
    ttfb_3000    INTEGER NOT NULL,
    ttfb_10000   INTEGER NOT NULL,
    ttfb_more    INTEGER NOT NULL,
    PRIMARY KEY (start_unix_s, key_id, route, site, choice, code)
) STRICT;

CREATE INDEX usage_hour_key ON usage_hour (key_id, start_unix_s);

CREATE TABLE usage_day (
    start_unix_s INTEGER NOT NULL,
    key_id       TEXT NOT NULL,
    route        TEXT NOT NULL,
    site         TEXT NOT NULL,
    choice       TEXT NOT NULL,
    code         TEXT NOT NULL,
    requests     INTEGER NOT NULL,
    bytes        INTEGER NOT NULL,
    cached       INTEGER NOT NULL,
    ttfb_10      INTEGER NOT NULL,
    ttfb_30      INTEGER NOT NULL,
    ttfb_100     INTEGER NOT NULL,
    ttfb_300     INTEGER NOT NULL,
    ttfb_1000    INTEGER NOT NULL,
    ttfb_3000    INTEGER NOT NULL,
    ttfb_10000   INTEGER NOT NULL,
    ttfb_more    INTEGER NOT NULL,
    PRIMARY KEY (start_unix_s, key_id, route, site, choice, code)
) STRICT;

CREATE INDEX usage_day_key ON usage_day (key_id, start_unix_s);
