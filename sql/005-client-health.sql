-- What became of asking the clients of a site, summed up by the minute and kept for a day: what the order in which
-- they are asked goes by, and what an operator looks at. `credit` says whether the outcome speaks for the client
-- (1), against it (-1), or only of the video (0).
CREATE TABLE client_health (
    minute      INTEGER NOT NULL, -- since 1970
    client      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    credit      INTEGER NOT NULL CHECK (credit BETWEEN -1 AND 1),
    count       INTEGER NOT NULL,
    took_ms     INTEGER NOT NULL, -- in all
    last_unix_s INTEGER NOT NULL,
    why         TEXT NOT NULL,    -- of the last one
    PRIMARY KEY (minute, client, kind, outcome)
) STRICT;

-- The last extractions that failed though the video may be there, with every step. Nothing tells who asked.
CREATE TABLE extract_failure (
    at_unix_us INTEGER PRIMARY KEY NOT NULL,
    site       TEXT NOT NULL,
    id         TEXT NOT NULL, -- of the video; of a file its host
    code       TEXT NOT NULL,
    error      TEXT NOT NULL,
    trace      TEXT NOT NULL  -- JSON
) STRICT;
