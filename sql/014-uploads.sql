-- Uploads in parts that have begun and not ended: see store/uploads.h.
CREATE TABLE upload (
    job            TEXT PRIMARY KEY NOT NULL,
    place          TEXT NOT NULL,    -- the bucket it goes to
    object         TEXT NOT NULL,    -- its name there
    upload         TEXT NOT NULL,    -- what the storage calls the upload; empty: it was about to be begun
    etag           TEXT NOT NULL,    -- of the file; empty: it cannot be gone on with
    part_bytes     INTEGER NOT NULL,
    created_unix_s INTEGER NOT NULL
) STRICT;
