-- Log records. The id is made of the request that a record came in and its place there, so that a request that is sent
-- again finds its records there.
CREATE TABLE logs (
    id                       UUID NOT NULL,
    timestamp                TIMESTAMPTZ NOT NULL,
    timestamp_nanos          INT NOT NULL DEFAULT 0,
    observed_timestamp       TIMESTAMPTZ,
    observed_timestamp_nanos INT,
    severity_number          INT NOT NULL DEFAULT 0,
    severity_text            TEXT,
    body                     TEXT,
    body_json                JSONB,
    event_name               TEXT,
    service_name             TEXT NOT NULL,
    trace_id                 TEXT,
    span_id                  TEXT,
    trace_flags              BIGINT NOT NULL DEFAULT 0,
    attributes               JSONB NOT NULL DEFAULT '{}',
    dropped_attributes_count BIGINT NOT NULL DEFAULT 0,
    resource_attributes      JSONB NOT NULL DEFAULT '{}',
    resource_dropped_attributes_count BIGINT NOT NULL DEFAULT 0,
    resource_schema_url      TEXT,
    scope_name               TEXT,
    scope_version            TEXT,
    scope_attributes         JSONB,
    scope_dropped_attributes_count BIGINT NOT NULL DEFAULT 0,
    scope_schema_url         TEXT,
    created_at               TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- The transaction that wrote the row: who follows asks for the rows of transactions that were not there before.
    arrival                  BIGINT NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    PRIMARY KEY (timestamp, id)
);
CREATE INDEX logs_service_name_timestamp_idx ON logs (service_name, timestamp DESC);
CREATE INDEX logs_trace_id_timestamp_idx ON logs (trace_id, timestamp DESC) WHERE trace_id IS NOT NULL;
CREATE INDEX logs_arrival_idx ON logs (arrival);
-- Few of all, and asked for alone.
CREATE INDEX logs_errors_idx ON logs (timestamp DESC) WHERE severity_number >= 17;

DO $$
BEGIN
    IF 'lz4' = ANY (SELECT unnest(enumvals) FROM pg_settings WHERE name = 'default_toast_compression') THEN
        ALTER TABLE logs
            ALTER COLUMN body SET COMPRESSION lz4,
            ALTER COLUMN body_json SET COMPRESSION lz4,
            ALTER COLUMN attributes SET COMPRESSION lz4;
    END IF;
END
$$;
