-- A second factor of those who want one (store/second_factor.h). secret: base32; it opens nothing without the
-- password. confirmed 0: shown, but no code of it has come yet. last_step: of the last code taken, none twice.
CREATE TABLE admin_totp (
    name      TEXT PRIMARY KEY NOT NULL,
    secret    TEXT NOT NULL CHECK (length(secret) = 32),
    confirmed INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
    last_step INTEGER NOT NULL
) STRICT;

-- What lets in whoever has lost his authenticator: each once, and only its SHA-256.
CREATE TABLE admin_recovery (
    name        TEXT NOT NULL,
    code_sha256 TEXT NOT NULL CHECK (length(code_sha256) = 64),
    PRIMARY KEY (name, code_sha256)
) STRICT;

-- Client data as they were before somebody saved others in the control room: for the way back.
CREATE TABLE client_version (
    at_unix_us INTEGER PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL, -- who replaced them
    sha256     TEXT NOT NULL CHECK (length(sha256) = 64),
    text       TEXT NOT NULL
) STRICT;
