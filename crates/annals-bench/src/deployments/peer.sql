-- The predecessor's table, by its own migration: twenty columns, a primary key, a unique constraint, eleven indexes of one
-- column each, and a foreign key.
CREATE TABLE workspace (
    id   UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name TEXT NOT NULL
);

CREATE TABLE deployment_trace_span (
    id                 UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    trace_id           TEXT NOT NULL,
    span_id            TEXT NOT NULL,
    parent_span_id     TEXT,
    name               TEXT NOT NULL,
    start_time         TIMESTAMPTZ NOT NULL,
    end_time           TIMESTAMPTZ,
    workspace_id       UUID NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    release_target_key TEXT,
    release_id         TEXT,
    job_id             TEXT,
    parent_trace_id    TEXT,
    phase              TEXT,
    node_type          TEXT,
    status             TEXT,
    depth              INT,
    sequence           INT,
    attributes         JSONB,
    events             JSONB,
    created_at         TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX deployment_trace_span_trace_span_idx ON deployment_trace_span (trace_id, span_id);
CREATE INDEX deployment_trace_span_trace_id_idx ON deployment_trace_span (trace_id);
CREATE INDEX deployment_trace_span_parent_span_id_idx ON deployment_trace_span (parent_span_id);
CREATE INDEX deployment_trace_span_workspace_id_idx ON deployment_trace_span (workspace_id);
CREATE INDEX deployment_trace_span_release_target_key_idx ON deployment_trace_span (release_target_key);
CREATE INDEX deployment_trace_span_release_id_idx ON deployment_trace_span (release_id);
CREATE INDEX deployment_trace_span_job_id_idx ON deployment_trace_span (job_id);
CREATE INDEX deployment_trace_span_parent_trace_id_idx ON deployment_trace_span (parent_trace_id);
CREATE INDEX deployment_trace_span_created_at_idx ON deployment_trace_span (created_at);
CREATE INDEX deployment_trace_span_phase_idx ON deployment_trace_span (phase);
CREATE INDEX deployment_trace_span_node_type_idx ON deployment_trace_span (node_type);
CREATE INDEX deployment_trace_span_status_idx ON deployment_trace_span (status);
