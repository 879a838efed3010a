-- Settings that an operator changed while programs run: above the file and the environment.
CREATE TABLE setting (
    name           TEXT PRIMARY KEY NOT NULL,
    value          TEXT NOT NULL,
    changed_by     TEXT NOT NULL, -- a user of the admin pages, or the command line
    changed_unix_s INTEGER NOT NULL
) STRICT;

-- What goes on at the moment: sums of all programs, of a day at most. Bytes are counted when they are sent, not when their
-- stream is over.
CREATE TABLE usage_minute (
    start_unix_s INTEGER PRIMARY KEY NOT NULL,
    requests     INTEGER NOT NULL,
    errors       INTEGER NOT NULL,
    quota        INTEGER NOT NULL, -- of the errors: limits of keys and addresses
    bytes        INTEGER NOT NULL,
    cached       INTEGER NOT NULL
) STRICT;
