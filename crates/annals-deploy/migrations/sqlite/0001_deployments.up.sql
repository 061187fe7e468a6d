-- Times are microseconds since 1970 in UTC, with the nanoseconds below them in *_nanos. To read one:
-- SELECT datetime(start_time / 1000000, 'unixepoch') FROM deployment_trace_span.
CREATE TABLE {workspace} (
    id         TEXT PRIMARY KEY NOT NULL,
    name       TEXT,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE {deployment_trace_span} (
    id                 TEXT NOT NULL,
    trace_id           TEXT NOT NULL,
    span_id            TEXT NOT NULL,
    parent_span_id     TEXT,
    name               TEXT NOT NULL,
    start_time         INTEGER NOT NULL,
    end_time           INTEGER,
    workspace_id       TEXT NOT NULL,
    release_target_key TEXT,
    release_id         TEXT,
    job_id             TEXT,
    parent_trace_id    TEXT,
    phase              TEXT,
    node_type          TEXT,
    status             TEXT,
    depth              INTEGER,
    sequence           INTEGER,
    attributes         TEXT NOT NULL DEFAULT '{}',
    events             TEXT NOT NULL DEFAULT '[]',
    created_at         INTEGER NOT NULL,

    start_time_nanos   INTEGER NOT NULL DEFAULT 0,
    end_time_nanos     INTEGER,
    deployment_id      TEXT,
    trigger            TEXT,
    message            TEXT,
    status_code        TEXT NOT NULL DEFAULT 'unset',
    revision           INTEGER NOT NULL DEFAULT 0,

    PRIMARY KEY (trace_id, span_id, start_time)
) STRICT;

CREATE INDEX {deployment_trace_span_workspace_idx}
    ON {deployment_trace_span} (workspace_id, start_time DESC);
CREATE INDEX {deployment_trace_span_target_idx}
    ON {deployment_trace_span} (release_target_key, start_time DESC)
    WHERE release_target_key IS NOT NULL;
CREATE INDEX {deployment_trace_span_release_idx}
    ON {deployment_trace_span} (release_id, start_time DESC)
    WHERE release_id IS NOT NULL;
CREATE INDEX {deployment_trace_span_job_idx}
    ON {deployment_trace_span} (job_id, start_time DESC)
    WHERE job_id IS NOT NULL;
CREATE INDEX {deployment_trace_span_root_idx}
    ON {deployment_trace_span} (workspace_id, start_time DESC)
    WHERE parent_span_id IS NULL;
CREATE INDEX {deployment_trace_span_root_deployment_idx}
    ON {deployment_trace_span} (deployment_id, start_time DESC)
    WHERE parent_span_id IS NULL AND deployment_id IS NOT NULL;
CREATE INDEX {deployment_trace_span_status_idx}
    ON {deployment_trace_span} (workspace_id, status, start_time DESC)
    WHERE status <> 'completed';
CREATE INDEX {deployment_trace_span_linked_idx}
    ON {deployment_trace_span} (parent_trace_id)
    WHERE parent_trace_id IS NOT NULL;

CREATE INDEX {deployment_trace_span_start_time_idx} ON {deployment_trace_span} (start_time);

CREATE TABLE {deployment_trace} (
    trace_id        TEXT PRIMARY KEY NOT NULL,
    workspace_id    TEXT NOT NULL REFERENCES {workspace} (id) ON DELETE CASCADE,
    parent_trace_id TEXT,
    start_time      INTEGER NOT NULL,
    last_start_time INTEGER NOT NULL
) STRICT;

CREATE INDEX {deployment_trace_workspace_idx} ON {deployment_trace} (workspace_id, last_start_time);
CREATE INDEX {deployment_trace_parent_idx} ON {deployment_trace} (parent_trace_id)
    WHERE parent_trace_id IS NOT NULL;
CREATE INDEX {deployment_trace_last_start_time_idx} ON {deployment_trace} (last_start_time);

CREATE TRIGGER {workspace_deleted} AFTER DELETE ON {workspace}
BEGIN
    DELETE FROM {deployment_trace_span} WHERE workspace_id = OLD.id;
END;
