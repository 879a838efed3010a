-- The client data that were saved last in the control room, for all hosts that share this database: each takes a change up
-- once (serve/client_data.h). Empty text: back to the built-in ones.
CREATE TABLE client_data (
    id         INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    at_unix_us INTEGER NOT NULL, -- greater with each change
    text       TEXT NOT NULL
) STRICT;
