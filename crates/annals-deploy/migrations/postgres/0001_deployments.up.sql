-- Whose traces are together.
CREATE TABLE workspace (
    id         UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name       TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE deployment_trace_span (
    -- The predecessor's table, by name and type.
    id                 UUID NOT NULL DEFAULT gen_random_uuid(),
    trace_id           TEXT NOT NULL,
    span_id            TEXT NOT NULL,
    parent_span_id     TEXT,
    name               TEXT NOT NULL,
    start_time         TIMESTAMPTZ NOT NULL,
    end_time           TIMESTAMPTZ,
    workspace_id       UUID NOT NULL,
    release_target_key TEXT,
    release_id         TEXT,
    job_id             TEXT,
    parent_trace_id    TEXT,
    phase              TEXT,
    node_type          TEXT,
    status             TEXT,
    depth              INT,
    sequence           INT,
    attributes         JSONB NOT NULL DEFAULT '{}',
    events             JSONB NOT NULL DEFAULT '[]',
    created_at         TIMESTAMPTZ NOT NULL DEFAULT now(),

    -- What its readers lacked, and what orders the versions of one span. Columns that must have a value have a
    -- default, so that an INSERT that knows only the 20 columns above still works.
    start_time_nanos   INT NOT NULL DEFAULT 0,
    end_time_nanos     INT,
    deployment_id      TEXT,
    trigger            TEXT,
    message            TEXT,
    status_code        TEXT NOT NULL DEFAULT 'unset',
    revision           BIGINT NOT NULL DEFAULT 0,

    -- A hypertable's key contains its time. No foreign key: see deployment_trace.
    PRIMARY KEY (trace_id, span_id, start_time)
);

-- Each serves a question with its order; those of few rows are partial. Times behind a job and a release keep a plan for any
-- values from reading the whole workspace beside them (75 ms instead of 0.4, at two million spans).
CREATE INDEX deployment_trace_span_workspace_idx
    ON deployment_trace_span (workspace_id, start_time DESC);
CREATE INDEX deployment_trace_span_target_idx
    ON deployment_trace_span (release_target_key, start_time DESC)
    WHERE release_target_key IS NOT NULL;
CREATE INDEX deployment_trace_span_release_idx
    ON deployment_trace_span (release_id, start_time DESC)
    WHERE release_id IS NOT NULL;
CREATE INDEX deployment_trace_span_job_idx
    ON deployment_trace_span (job_id, start_time DESC)
    WHERE job_id IS NOT NULL;
CREATE INDEX deployment_trace_span_root_idx
    ON deployment_trace_span (workspace_id, start_time DESC)
    WHERE parent_span_id IS NULL;
CREATE INDEX deployment_trace_span_root_deployment_idx
    ON deployment_trace_span (deployment_id, start_time DESC)
    WHERE parent_span_id IS NULL AND deployment_id IS NOT NULL;
CREATE INDEX deployment_trace_span_status_idx
    ON deployment_trace_span (workspace_id, status, start_time DESC)
    WHERE status <> 'completed';
CREATE INDEX deployment_trace_span_linked_idx
    ON deployment_trace_span (parent_trace_id)
    WHERE parent_trace_id IS NOT NULL;

-- Where there are no chunks, the oldest rows are found by it.
CREATE INDEX deployment_trace_span_start_time_idx ON deployment_trace_span (start_time);

-- One row for each trace, kept in the transaction of its spans: whose it is and where in time it lies, so that a trace by
-- id touches only the chunks that hold it. An ordinary table, from which a foreign key may point to the workspace: a
-- batch that meets a workspace that is just being deleted waits, and fails or makes it anew.
CREATE TABLE deployment_trace (
    trace_id        TEXT PRIMARY KEY,
    workspace_id    UUID NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    parent_trace_id TEXT,
    start_time      TIMESTAMPTZ NOT NULL,
    last_start_time TIMESTAMPTZ NOT NULL
);

CREATE INDEX deployment_trace_workspace_idx ON deployment_trace (workspace_id, last_start_time);
CREATE INDEX deployment_trace_parent_idx ON deployment_trace (parent_trace_id)
    WHERE parent_trace_id IS NOT NULL;
CREATE INDEX deployment_trace_last_start_time_idx ON deployment_trace (last_start_time);

-- Deleting a workspace deletes its spans. A trigger and no foreign key from the hypertable, which would make every COPY
-- look at the workspace for each row, and lock it whenever a chunk is made or dropped. The statement is planned for
-- the workspace at hand, so that whole compressed segments go without being decompressed.
CREATE FUNCTION deployment_workspace_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'DELETE FROM %I.deployment_trace_span WHERE workspace_id = %L', TG_TABLE_SCHEMA, OLD.id
    );
    RETURN NULL;
END
$$;

-- Fires after those of foreign keys, which begin with "RI_": traces are locked and gone before their spans are looked for.
CREATE TRIGGER workspace_deleted AFTER DELETE ON workspace
    FOR EACH ROW EXECUTE FUNCTION deployment_workspace_deleted();
