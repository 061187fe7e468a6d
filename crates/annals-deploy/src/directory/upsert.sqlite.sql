-- As on PostgreSQL, one trace at a time.
INSERT INTO {deployment_trace} AS target (trace_id, workspace_id, parent_trace_id, start_time, last_start_time)
VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (trace_id) DO UPDATE
   SET parent_trace_id = COALESCE(target.parent_trace_id, EXCLUDED.parent_trace_id),
       start_time = min(target.start_time, EXCLUDED.start_time),
       last_start_time = max(target.last_start_time, EXCLUDED.last_start_time)
 WHERE target.workspace_id = EXCLUDED.workspace_id
   AND (EXCLUDED.start_time < target.start_time
        OR EXCLUDED.last_start_time > target.last_start_time
        OR (target.parent_trace_id IS NULL AND EXCLUDED.parent_trace_id IS NOT NULL))
