-- What is measured: one row for each metric of each resource and scope. The id is made of what tells metrics apart (UUIDv5),
-- so that who writes points has to look nothing up.
CREATE TABLE metrics (
    id                   UUID PRIMARY KEY,
    name                 TEXT NOT NULL,
    description          TEXT,
    unit                 TEXT,
    metric_type          TEXT NOT NULL,
    temporality          TEXT NOT NULL DEFAULT 'unspecified',
    is_monotonic         BOOLEAN NOT NULL DEFAULT FALSE,
    service_name         TEXT NOT NULL,
    attributes           JSONB NOT NULL DEFAULT '{}',
    resource_attributes  JSONB NOT NULL DEFAULT '{}',
    resource_dropped_attributes_count BIGINT NOT NULL DEFAULT 0,
    resource_schema_url  TEXT,
    scope_name           TEXT,
    scope_version        TEXT,
    scope_attributes     JSONB,
    scope_dropped_attributes_count BIGINT NOT NULL DEFAULT 0,
    scope_schema_url     TEXT,
    last_seen            TIMESTAMPTZ NOT NULL DEFAULT date_trunc('hour', now()),
    created_at           TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at           TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX metrics_name_service_name_idx ON metrics (name, service_name);
CREATE INDEX metrics_service_name_name_idx ON metrics (service_name, name);
-- Metrics without points go by it.
CREATE INDEX metrics_last_seen_idx ON metrics (last_seen);

-- What was measured. A series is a metric with one set of attributes (UUIDv5 of both), and has one point at a time.
CREATE TABLE metric_data_points (
    metric_id        UUID NOT NULL,
    series_id        UUID NOT NULL,
    timestamp        TIMESTAMPTZ NOT NULL,
    timestamp_nanos  INT NOT NULL DEFAULT 0,
    start_time       TIMESTAMPTZ,
    start_time_nanos INT,
    value            DOUBLE PRECISION,
    value_int        BIGINT,
    count            NUMERIC(20),
    sum              DOUBLE PRECISION,
    min              DOUBLE PRECISION,
    max              DOUBLE PRECISION,
    scale            INT,
    zero_count       NUMERIC(20),
    zero_threshold   DOUBLE PRECISION,
    buckets          JSONB,
    quantiles        JSONB,
    exemplars        JSONB,
    flags            BIGINT NOT NULL DEFAULT 0,
    attributes       JSONB NOT NULL DEFAULT '{}',
    created_at       TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- A series is of one metric; that it stands first is for reads of a metric by series.
    PRIMARY KEY (metric_id, series_id, timestamp)
);
CREATE INDEX metric_data_points_metric_id_timestamp_idx ON metric_data_points (metric_id, timestamp DESC);
-- Retention deletes by time.
CREATE INDEX metric_data_points_timestamp_idx ON metric_data_points (timestamp DESC);
