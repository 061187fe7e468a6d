-- What is to happen to tables as they age. Settings and not data: undoing this migration leaves them.
CREATE TABLE IF NOT EXISTS {annals_policies} (
    table_schema TEXT NOT NULL,
    table_name   TEXT NOT NULL,
    kind         TEXT NOT NULL,
    owner        TEXT NOT NULL DEFAULT '',
    period       TEXT,
    set_at       INTEGER NOT NULL,
    PRIMARY KEY (table_schema, table_name, kind, owner)
) STRICT;

-- What runs from time to time, who runs it now, and how it went.
CREATE TABLE {annals_jobs} (
    table_schema TEXT NOT NULL,
    table_name   TEXT NOT NULL,
    kind         TEXT NOT NULL,
    owner        TEXT NOT NULL DEFAULT '',
    holder       TEXT,
    held_until   INTEGER,
    started_at   INTEGER,
    ended_at     INTEGER,
    outcome      TEXT,
    failed       INTEGER NOT NULL DEFAULT 0,
    runs         INTEGER NOT NULL DEFAULT 0,
    failures     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (table_schema, table_name, kind, owner)
) STRICT;

-- Who has a table in hand. One at a time.
CREATE TABLE {annals_leases} (
    name       TEXT PRIMARY KEY NOT NULL,
    holder     TEXT NOT NULL,
    purpose    TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
