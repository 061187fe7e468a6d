-- A trace and those that it continues, nearest first. Rows that came once do not come again: a circle ends.
WITH RECURSIVE above (trace_id, parent_trace_id, start_time, last_start_time) AS (
    SELECT trace_id, parent_trace_id, start_time, last_start_time
      FROM {deployment_trace}
     WHERE trace_id = $1 AND workspace_id = $2
    UNION
    SELECT trace.trace_id, trace.parent_trace_id, trace.start_time, trace.last_start_time
      FROM above
      JOIN {deployment_trace} AS trace ON trace.trace_id = above.parent_trace_id
     WHERE trace.workspace_id = $2
)
SELECT trace_id, parent_trace_id, start_time, last_start_time FROM above LIMIT $3
