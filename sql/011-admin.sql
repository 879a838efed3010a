-- Who may use the admin pages. Passwords as argon2id says them; a user who leaves is disabled, so that the record stays whole.
CREATE TABLE admin_user (
    name           TEXT PRIMARY KEY NOT NULL,
    password       TEXT NOT NULL,
    role           TEXT NOT NULL CHECK (role IN ('admin', 'viewer')),
    active         INTEGER NOT NULL CHECK (active IN (0, 1)),
    created_unix_s INTEGER NOT NULL,
    changed_unix_s INTEGER NOT NULL -- the password
) STRICT;

-- Their sessions: of the cookie only its SHA-256.
CREATE TABLE session (
    id_sha256      TEXT PRIMARY KEY NOT NULL CHECK (length(id_sha256) = 64),
    name           TEXT NOT NULL,
    created_unix_s INTEGER NOT NULL,
    seen_unix_s    INTEGER NOT NULL
) STRICT;

CREATE INDEX session_name ON session (name);

-- Wrong passwords in a row: by name ("u:…") and by the hash of an address under the key of the day ("a:…").
CREATE TABLE login_failure (
    subject     TEXT PRIMARY KEY NOT NULL,
    count       INTEGER NOT NULL,
    last_unix_s INTEGER NOT NULL
) STRICT;

-- Who has changed what. before and after: JSON, or empty.
CREATE TABLE audit (
    at_unix_us INTEGER PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL,
    action     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    before     TEXT NOT NULL,
    after      TEXT NOT NULL
) STRICT;

CREATE INDEX audit_name ON audit (name, at_unix_us);
