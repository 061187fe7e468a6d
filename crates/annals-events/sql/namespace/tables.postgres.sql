-- Messages. The order of columns is the same with and without TimescaleDB: a table is moved by COPY.
CREATE TABLE {messages} (
    "time"          TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    global_position BIGINT NOT NULL,
    "position"      BIGINT NOT NULL,
    stream_name     TEXT NOT NULL,
    "type"          TEXT NOT NULL,
    data            JSONB,
    metadata        JSONB,
    id              UUID NOT NULL DEFAULT gen_random_uuid(),
    category        TEXT NOT NULL
);

-- The place that the next message of the namespace takes. Whoever appends updates this row first and so
-- waits for whoever appended before: places are handed out in the order of commits.
CREATE TABLE {message_counter} (
    single          BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (single),
    global_position BIGINT NOT NULL DEFAULT 0,
    "time"          TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
    -- Another one at each append, and whenever heads were moved by other means: who finds the turn that he knows
    -- knows that nothing has changed since.
    turn            UUID NOT NULL DEFAULT gen_random_uuid()
) WITH (fillfactor = 10);
INSERT INTO {message_counter} DEFAULT VALUES;

-- The last place in each stream. Ordinary, so that versions go on when chunks are dropped.
CREATE TABLE {stream_heads} (
    stream_name     TEXT COLLATE "C" PRIMARY KEY,
    category        TEXT NOT NULL,
    "position"      BIGINT NOT NULL,
    global_position BIGINT NOT NULL,
    "time"          TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 70);

-- The place of each message id, so that a retry finds the first write. Ordinary for the same reason.
CREATE TABLE {message_ids} (
    id              UUID PRIMARY KEY,
    "position"      BIGINT NOT NULL,
    global_position BIGINT NOT NULL,
    "time"          TIMESTAMPTZ NOT NULL
);
CREATE INDEX message_ids_time ON {message_ids} USING brin ("time");

-- Where readers go on that asked for it to be kept.
CREATE TABLE {subscription_checkpoints} (
    name            TEXT PRIMARY KEY,
    "position"      BIGINT NOT NULL
) WITH (fillfactor = 50);
