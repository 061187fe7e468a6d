-- What is measured: one row for each metric of each resource and scope. The id is made of what tells metrics apart (UUIDv5),
-- so that who writes points has to look nothing up.
CREATE TABLE {metrics} (
    id                   TEXT PRIMARY KEY NOT NULL,
    name                 TEXT NOT NULL,
    description          TEXT,
    unit                 TEXT,
    metric_type          TEXT NOT NULL,
    temporality          TEXT NOT NULL DEFAULT 'unspecified',
    is_monotonic         INTEGER NOT NULL DEFAULT 0,
    service_name         TEXT NOT NULL,
    attributes           TEXT NOT NULL DEFAULT '{}',
    resource_attributes  TEXT NOT NULL DEFAULT '{}',
    resource_dropped_attributes_count INTEGER NOT NULL DEFAULT 0,
    resource_schema_url  TEXT,
    scope_name           TEXT,
    scope_version        TEXT,
    scope_attributes     TEXT,
    scope_dropped_attributes_count INTEGER NOT NULL DEFAULT 0,
    scope_schema_url     TEXT,
    last_seen            INTEGER NOT NULL DEFAULT (CAST(unixepoch() / 3600 AS INTEGER) * 3600000000),
    created_at           INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    updated_at           INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER))
) STRICT;
CREATE INDEX {metrics_name_service_name_idx} ON {metrics} (name, service_name);
CREATE INDEX {metrics_service_name_name_idx} ON {metrics} (service_name, name);
-- Metrics without points go by it.
CREATE INDEX {metrics_last_seen_idx} ON {metrics} (last_seen);

-- What was measured. A series is a metric with one set of attributes (UUIDv5 of both), and has one point at a time.
CREATE TABLE {metric_data_points} (
    metric_id        TEXT NOT NULL,
    series_id        TEXT NOT NULL,
    timestamp        INTEGER NOT NULL,
    timestamp_nanos  INTEGER NOT NULL DEFAULT 0,
    start_time       INTEGER,
    start_time_nanos INTEGER,
    value            ANY,
    value_int        INTEGER,
    count            ANY,
    sum              ANY,
    min              ANY,
    max              ANY,
    scale            INTEGER,
    zero_count       ANY,
    zero_threshold   ANY,
    buckets          TEXT,
    quantiles        TEXT,
    exemplars        TEXT,
    flags            INTEGER NOT NULL DEFAULT 0,
    attributes       TEXT NOT NULL DEFAULT '{}',
    created_at       INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    -- A series is of one metric; that it stands first is for reads of a metric by series.
    PRIMARY KEY (metric_id, series_id, timestamp)
) STRICT;
CREATE INDEX {metric_data_points_metric_id_timestamp_idx} ON {metric_data_points} (metric_id, timestamp DESC);
-- Retention deletes by time.
CREATE INDEX {metric_data_points_timestamp_idx} ON {metric_data_points} (timestamp DESC);
