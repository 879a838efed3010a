-- Finished outputs that tiers keep, and those that may be kept some day: see store/contents.h.
CREATE TABLE content_cache (
    content        TEXT NOT NULL,    -- what the ETag of the output says
    tier           TEXT NOT NULL,    -- who keeps it; of a count: source
    place          TEXT NOT NULL,    -- the one data directory it is known in; empty: all hosts
    state          TEXT NOT NULL CHECK (state IN ('seen', 'storing', 'stored', 'leaving', 'refused')),
    lease          TEXT NOT NULL,    -- of who is storing it
    reference      TEXT NOT NULL,    -- what the tier finds it by
    site           TEXT NOT NULL,
    id             TEXT NOT NULL,    -- of the media, as the site says it
    bytes          INTEGER NOT NULL,
    hits           INTEGER NOT NULL,
    created_unix_s INTEGER NOT NULL, -- of a count: when it began
    used_unix_s    INTEGER NOT NULL,
    expires_unix_s INTEGER NOT NULL, -- what that means depends on the state
    PRIMARY KEY (content, tier, place)
) STRICT;

CREATE INDEX content_state ON content_cache (state, expires_unix_s);
CREATE INDEX content_used ON content_cache (tier, place, used_unix_s, bytes);
CREATE INDEX content_of ON content_cache (site, id);

-- Work that only one host can do, and work that can wait until there is no other.
ALTER TABLE job ADD COLUMN place TEXT NOT NULL DEFAULT '';
ALTER TABLE job ADD COLUMN later INTEGER NOT NULL DEFAULT 0;
