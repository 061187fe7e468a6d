-- Times are microseconds since 1970 in UTC, with the nanoseconds below them in *_nanos. To read one:
-- SELECT datetime(start_time / 1000000, 'unixepoch') FROM spans.
CREATE TABLE {spans} (
    trace_id        TEXT NOT NULL,
    span_id         TEXT NOT NULL,
    parent_span_id  TEXT,
    service_name    TEXT NOT NULL,
    operation_name  TEXT NOT NULL,
    start_time      INTEGER NOT NULL,
    duration_nanos  INTEGER NOT NULL,
    status          TEXT,
    model_name      TEXT,
    model_version   TEXT,
    batch_size      INTEGER,
    input_tokens    INTEGER,
    output_tokens   INTEGER,
    gpu_utilization ANY,
    tags            TEXT,

    start_time_nanos                  INTEGER NOT NULL DEFAULT 0,
    kind                              TEXT NOT NULL DEFAULT 'unspecified',
    status_code                       TEXT NOT NULL DEFAULT 'unset',
    status_message                    TEXT,
    trace_state                       TEXT,
    flags                             INTEGER NOT NULL DEFAULT 0,
    events                            TEXT,
    links                             TEXT,
    dropped_attributes_count          INTEGER NOT NULL DEFAULT 0,
    dropped_events_count              INTEGER NOT NULL DEFAULT 0,
    dropped_links_count               INTEGER NOT NULL DEFAULT 0,
    resource                          TEXT,
    resource_dropped_attributes_count INTEGER NOT NULL DEFAULT 0,
    resource_schema_url               TEXT,
    scope_name                        TEXT,
    scope_version                     TEXT,
    scope_attributes                  TEXT,
    scope_dropped_attributes_count    INTEGER NOT NULL DEFAULT 0,
    scope_schema_url                  TEXT,

    provider                  TEXT,
    gen_ai_operation          TEXT,
    request_model             TEXT,
    response_model            TEXT,
    cached_tokens             INTEGER,
    reasoning_tokens          INTEGER,
    time_to_first_token_nanos INTEGER,
    conversation_id           TEXT,
    cost                      ANY,

    PRIMARY KEY (trace_id, span_id, start_time)
) STRICT;

CREATE INDEX {spans_trace_id_start_time_idx} ON {spans} (trace_id, start_time DESC);
CREATE INDEX {spans_model_name_start_time_idx} ON {spans} (model_name, start_time DESC);
CREATE INDEX {spans_start_time_idx} ON {spans} (start_time DESC);

CREATE TABLE {traces} (
    id                  TEXT PRIMARY KEY NOT NULL,
    trace_id            TEXT NOT NULL,
    service_name        TEXT NOT NULL,
    start_time          INTEGER NOT NULL,
    start_time_nanos    INTEGER NOT NULL DEFAULT 0,
    end_time            INTEGER,
    end_time_nanos      INTEGER,
    duration_us         INTEGER,
    status              TEXT NOT NULL,
    status_message      TEXT,
    root_span_name      TEXT,
    attributes          TEXT NOT NULL DEFAULT '{}',
    resource_attributes TEXT NOT NULL DEFAULT '{}',
    span_count          INTEGER NOT NULL DEFAULT 0,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL
) STRICT;
