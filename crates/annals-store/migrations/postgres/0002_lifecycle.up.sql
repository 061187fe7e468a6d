-- What is to happen to tables as they age. Settings and not data: undoing this migration leaves them, so that
-- they are in force again when tables are made again.
CREATE TABLE IF NOT EXISTS annals_policies (
    table_schema text NOT NULL,
    table_name   text NOT NULL,
    kind         text NOT NULL,
    -- Of whose rows alone; empty for the whole table.
    owner        text NOT NULL DEFAULT '',
    -- An age, or every how often, as an interval's text; never where there is none.
    period       text,
    set_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (table_schema, table_name, kind, owner)
);

-- What runs from time to time, who runs it now, and how it went.
CREATE TABLE annals_jobs (
    table_schema text NOT NULL,
    table_name   text NOT NULL,
    kind         text NOT NULL,
    owner        text NOT NULL DEFAULT '',
    holder       uuid,
    held_until   timestamptz,
    started_at   timestamptz,
    ended_at     timestamptz,
    outcome      text,
    failed       boolean NOT NULL DEFAULT FALSE,
    runs         bigint NOT NULL DEFAULT 0,
    failures     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (table_schema, table_name, kind, owner)
);

-- Who has a table in hand: compresses, drops or deletes. One at a time.
CREATE TABLE annals_leases (
    name       text PRIMARY KEY,
    holder     uuid NOT NULL,
    purpose    text NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Chunks that were seen, so that one that somebody else drops is missed and what follows from that is done.
CREATE TABLE annals_chunks (
    table_schema text NOT NULL,
    table_name   text NOT NULL,
    range_start  timestamptz NOT NULL,
    range_end    timestamptz NOT NULL,
    PRIMARY KEY (table_schema, table_name, range_start)
);
