-- A trace, those that continue it, those that continue these, and so on.
WITH RECURSIVE below (trace_id, parent_trace_id, start_time, last_start_time) AS (
    SELECT trace_id, parent_trace_id, start_time, last_start_time
      FROM {deployment_trace}
     WHERE trace_id = $1 AND workspace_id = $2
    UNION
    SELECT trace.trace_id, trace.parent_trace_id, trace.start_time, trace.last_start_time
      FROM below
      JOIN {deployment_trace} AS trace ON trace.parent_trace_id = below.trace_id
     WHERE trace.workspace_id = $2
)
SELECT trace_id, parent_trace_id, start_time, last_start_time FROM below LIMIT $3
