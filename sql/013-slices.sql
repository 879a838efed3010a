-- Slices of sources on the disks of hosts: see cache/slices.h. The files are what counts; this tells which go first.
CREATE TABLE slice (
    place         TEXT NOT NULL,    -- of the directory: several hosts may share a database
    name          TEXT NOT NULL,    -- of the file
    site          TEXT NOT NULL,
    id            TEXT NOT NULL,    -- of the media, as the site says it
    bytes         INTEGER NOT NULL, -- of the file
    stored_unix_s INTEGER NOT NULL,
    used_unix_s   INTEGER NOT NULL,
    PRIMARY KEY (place, name)
) STRICT;

CREATE INDEX slice_used ON slice (place, used_unix_s, bytes);
