-- Times are microseconds since 1970 in UTC, documents JSON text in canonical form.
CREATE TABLE {messages} (
    time            INTEGER NOT NULL,
    global_position INTEGER PRIMARY KEY NOT NULL,
    position        INTEGER NOT NULL,
    stream_name     TEXT NOT NULL,
    type            TEXT NOT NULL,
    data            TEXT,
    metadata        TEXT,
    id              TEXT NOT NULL,
    category        TEXT NOT NULL,
    correlation     TEXT GENERATED ALWAYS AS (
        substr(metadata ->> 'correlationStreamName', 1, instr((metadata ->> 'correlationStreamName') || '-', '-') - 1)
    ) VIRTUAL
) STRICT;
CREATE UNIQUE INDEX {messages_stream_position} ON {messages} (stream_name, position);
CREATE INDEX {messages_category_global} ON {messages} (category, global_position);
CREATE INDEX {messages_correlation} ON {messages} (correlation, global_position) WHERE correlation IS NOT NULL;

-- The place of the last message of the namespace, and its time.
CREATE TABLE {message_counter} (
    single          INTEGER PRIMARY KEY CHECK (single = 1),
    global_position INTEGER NOT NULL,
    time            INTEGER NOT NULL
) STRICT;
INSERT INTO {message_counter} VALUES (1, 0, 0);

CREATE TABLE {stream_heads} (
    stream_name     TEXT PRIMARY KEY,
    category        TEXT NOT NULL,
    position        INTEGER NOT NULL,
    global_position INTEGER NOT NULL,
    time            INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE {message_ids} (
    id              TEXT PRIMARY KEY,
    position        INTEGER NOT NULL,
    global_position INTEGER NOT NULL,
    time            INTEGER NOT NULL
) STRICT;

CREATE TABLE {subscription_checkpoints} (
    name            TEXT PRIMARY KEY,
    position        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
