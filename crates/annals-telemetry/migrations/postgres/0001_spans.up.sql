CREATE TABLE spans (
    -- The inference store's table, by name and type.
    trace_id        TEXT NOT NULL,
    span_id         TEXT NOT NULL,
    parent_span_id  TEXT,
    service_name    TEXT NOT NULL,
    operation_name  TEXT NOT NULL,
    start_time      TIMESTAMPTZ NOT NULL,
    duration_nanos  BIGINT NOT NULL,
    status          TEXT,
    model_name      TEXT,
    model_version   TEXT,
    batch_size      INT,
    input_tokens    INT,
    output_tokens   INT,
    gpu_utilization DOUBLE PRECISION,
    tags            JSONB,

    -- The rest of OpenTelemetry's span. Columns that must have a value have a default, so that an
    -- INSERT that knows only the 15 columns above still works.
    start_time_nanos                  INT NOT NULL DEFAULT 0,
    kind                              TEXT NOT NULL DEFAULT 'unspecified',
    status_code                       TEXT NOT NULL DEFAULT 'unset',
    status_message                    TEXT,
    trace_state                       TEXT,
    flags                             BIGINT NOT NULL DEFAULT 0,
    events                            JSONB,
    links                             JSONB,
    dropped_attributes_count          BIGINT NOT NULL DEFAULT 0,
    dropped_events_count              BIGINT NOT NULL DEFAULT 0,
    dropped_links_count               BIGINT NOT NULL DEFAULT 0,
    resource                          JSONB,
    resource_dropped_attributes_count BIGINT NOT NULL DEFAULT 0,
    resource_schema_url               TEXT,
    scope_name                        TEXT,
    scope_version                     TEXT,
    scope_attributes                  JSONB,
    scope_dropped_attributes_count    BIGINT NOT NULL DEFAULT 0,
    scope_schema_url                  TEXT,

    -- What the GenAI conventions make worth a column.
    provider                  TEXT,
    gen_ai_operation          TEXT,
    request_model             TEXT,
    response_model            TEXT,
    cached_tokens             BIGINT,
    reasoning_tokens          BIGINT,
    time_to_first_token_nanos BIGINT,
    conversation_id           TEXT,
    cost                      DOUBLE PRECISION,

    PRIMARY KEY (trace_id, span_id, start_time)
);

CREATE INDEX spans_trace_id_start_time_idx ON spans (trace_id, start_time DESC);
CREATE INDEX spans_model_name_start_time_idx ON spans (model_name, start_time DESC);
CREATE INDEX spans_start_time_idx ON spans (start_time DESC);

-- One row for each trace, kept in the transaction of its spans: where in time it lies, so that a
-- trace by id touches only the chunks that hold it, and what a listing shows. An ordinary table: it
-- has to be found without a time, and it outlives dropped chunks until they are reconciled.
CREATE TABLE traces (
    id                  UUID PRIMARY KEY,
    trace_id            TEXT NOT NULL,
    service_name        TEXT NOT NULL,
    start_time          TIMESTAMPTZ NOT NULL,
    start_time_nanos    INT NOT NULL DEFAULT 0,
    end_time            TIMESTAMPTZ,
    end_time_nanos      INT,
    duration_us         BIGINT,
    status              TEXT NOT NULL,
    status_message      TEXT,
    root_span_name      TEXT,
    attributes          JSONB NOT NULL DEFAULT '{}',
    resource_attributes JSONB NOT NULL DEFAULT '{}',
    span_count          INT NOT NULL DEFAULT 0,
    created_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at          TIMESTAMPTZ NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
