-- Work that outlives a request: see store/jobs.h. Times are in milliseconds, where they order or wait.
CREATE TABLE job (
    id               TEXT PRIMARY KEY NOT NULL,
    kind             TEXT NOT NULL,
    state            TEXT NOT NULL CHECK (state IN ('queued', 'running', 'waiting', 'done', 'failed', 'cancelled')),
    owner            TEXT NOT NULL,    -- k:ID of an API key, or a: and the hash of an address
    input            TEXT NOT NULL,    -- JSON
    result           TEXT NOT NULL,    -- JSON; empty until it is done
    error            TEXT NOT NULL,    -- the code of its last failure; empty: none
    message          TEXT NOT NULL,    -- what it is at
    done_bytes       INTEGER NOT NULL,
    total_bytes      INTEGER NOT NULL, -- 0: not known
    attempts         INTEGER NOT NULL,
    max_attempts     INTEGER NOT NULL,
    run_unix_ms      INTEGER NOT NULL, -- not before
    lease            TEXT NOT NULL,    -- of who runs it, another one each time
    lease_unix_ms    INTEGER NOT NULL, -- until then nobody else may
    created_unix_ms  INTEGER NOT NULL,
    updated_unix_ms  INTEGER NOT NULL
) STRICT;

CREATE INDEX job_due ON job (state, run_unix_ms);
CREATE INDEX job_owner ON job (owner, state);
CREATE INDEX job_created ON job (created_unix_ms, id);
