-- Log records. The id is made of the request that a record came in and its place there, so that a request that is sent
-- again finds its records there.
CREATE TABLE {logs} (
    -- In the order of commits: who follows asks for what is behind the last.
    arrival                  INTEGER PRIMARY KEY AUTOINCREMENT,
    id                       TEXT NOT NULL,
    timestamp                INTEGER NOT NULL,
    timestamp_nanos          INTEGER NOT NULL DEFAULT 0,
    observed_timestamp       INTEGER,
    observed_timestamp_nanos INTEGER,
    severity_number          INTEGER NOT NULL DEFAULT 0,
    severity_text            TEXT,
    body                     TEXT,
    body_json                TEXT,
    event_name               TEXT,
    service_name             TEXT NOT NULL,
    trace_id                 TEXT,
    span_id                  TEXT,
    trace_flags              INTEGER NOT NULL DEFAULT 0,
    attributes               TEXT NOT NULL DEFAULT '{}',
    dropped_attributes_count INTEGER NOT NULL DEFAULT 0,
    resource_attributes      TEXT NOT NULL DEFAULT '{}',
    resource_dropped_attributes_count INTEGER NOT NULL DEFAULT 0,
    resource_schema_url      TEXT,
    scope_name               TEXT,
    scope_version            TEXT,
    scope_attributes         TEXT,
    scope_dropped_attributes_count INTEGER NOT NULL DEFAULT 0,
    scope_schema_url         TEXT,
    created_at               INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    UNIQUE (timestamp, id)
) STRICT;
CREATE INDEX {logs_service_name_timestamp_idx} ON {logs} (service_name, timestamp DESC);
CREATE INDEX {logs_trace_id_timestamp_idx} ON {logs} (trace_id, timestamp DESC) WHERE trace_id IS NOT NULL;
-- Few of all, and asked for alone.
CREATE INDEX {logs_errors_idx} ON {logs} (timestamp DESC) WHERE severity_number >= 17;
