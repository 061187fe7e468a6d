-- Traces with their range in time, which only grows, and the trace that each continues. A trace of another workspace stays
-- as it is.
INSERT INTO {deployment_trace} AS target (trace_id, workspace_id, parent_trace_id, start_time, last_start_time)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[])
    ON CONFLICT (trace_id) DO UPDATE
   SET parent_trace_id = COALESCE(target.parent_trace_id, EXCLUDED.parent_trace_id),
       start_time = LEAST(target.start_time, EXCLUDED.start_time),
       last_start_time = GREATEST(target.last_start_time, EXCLUDED.last_start_time)
 WHERE target.workspace_id = EXCLUDED.workspace_id
   AND (EXCLUDED.start_time < target.start_time
        OR EXCLUDED.last_start_time > target.last_start_time
        OR (target.parent_trace_id IS NULL AND EXCLUDED.parent_trace_id IS NOT NULL))
