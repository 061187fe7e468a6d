-- Rows of traces within a range, of one workspace or of all. Those that a batch is just writing stay, so that neither waits
-- for the other in a circle.
WITH due AS MATERIALIZED (
    SELECT trace_id FROM {deployment_trace}
     WHERE last_start_time < $2 AND start_time >= $1
       AND ($3::uuid IS NULL OR workspace_id = $3)
     LIMIT $4
       FOR UPDATE SKIP LOCKED
)
DELETE FROM {deployment_trace} AS trace USING due WHERE trace.trace_id = due.trace_id
