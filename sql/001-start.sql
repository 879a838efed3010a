-- What is remembered between requests: descriptions, plans, visitor memos, remembered failures, each under its
-- own key prefix. The value comes last, so that looking at an expiry does not walk the pages of a long value.
CREATE TABLE media_cache (
    key            TEXT PRIMARY KEY NOT NULL,
    expires_unix_s INTEGER NOT NULL,
    value          BLOB NOT NULL
) STRICT;

CREATE INDEX media_cache_expires ON media_cache (expires_unix_s);

-- The keys that seal `data` tokens. The highest id seals; every listed one still opens.
CREATE TABLE token_key (
    id             INTEGER PRIMARY KEY NOT NULL CHECK (id BETWEEN 1 AND 4294967295),
    key            BLOB NOT NULL CHECK (length(key) = 32),
    created_unix_s INTEGER NOT NULL
) STRICT;
