-- What there is to say about single `data` links: that one is revoked, or good for one delivery and how far that is.
-- Links without a row are good.
CREATE TABLE token_mark (
    id           TEXT PRIMARY KEY NOT NULL, -- of the token, see store/token_mark.h
    until_unix_s INTEGER NOT NULL,          -- the token has expired by then, and the row says nothing any more
    revoked      INTEGER NOT NULL,
    holder       TEXT NOT NULL,             -- of a link for one delivery: the hash of the address that began with it
    holder_day   INTEGER NOT NULL,          -- the day of that hash
    sent_bytes   INTEGER NOT NULL,
    at_end       INTEGER NOT NULL,          -- the last byte has been sent
    done_unix_s  INTEGER NOT NULL           -- when all of them had been; 0: not yet
) STRICT;

CREATE INDEX token_mark_until ON token_mark (until_unix_s);
