-- See PostgreSQL's for what is what.
CREATE TABLE {trace_cache} (
    only_one    INTEGER PRIMARY KEY CHECK (only_one = 1),
    secret      TEXT NOT NULL,
    gone_before INTEGER,
    generation  INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO {trace_cache} (only_one, secret) VALUES (1, lower(hex(randomblob(16))));
