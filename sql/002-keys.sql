-- API keys: of the secret only its SHA-256 is kept. A revoked key stays listed, for the record of who had one.
CREATE TABLE api_key (
    id             TEXT PRIMARY KEY NOT NULL,
    secret_sha256  TEXT NOT NULL CHECK (length(secret_sha256) = 64),
    label          TEXT NOT NULL,
    owner          TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('active', 'disabled', 'revoked')),
    rate_per_hour  INTEGER NOT NULL CHECK (rate_per_hour >= 0),
    expires_unix_s INTEGER NOT NULL, -- 0: never
    addresses      TEXT NOT NULL,    -- CIDR blocks, comma-separated; empty: from anywhere
    created_unix_s INTEGER NOT NULL
) STRICT;

-- The state of rate limits (GCRA): when a subject will have all of its quota back. Rows in the past say nothing.
CREATE TABLE rate (
    subject      TEXT PRIMARY KEY NOT NULL,
    full_unix_us INTEGER NOT NULL
) STRICT;

CREATE INDEX rate_full ON rate (full_unix_us);

-- What makes hashes of addresses: a key a day, deleted on the next, so that nobody can tell an address from them.
CREATE TABLE day_key (
    day INTEGER PRIMARY KEY NOT NULL,
    key BLOB NOT NULL CHECK (length(key) = 32)
) STRICT;
