DELETE FROM {deployment_trace}
 WHERE trace_id IN (
    SELECT trace_id FROM {deployment_trace}
     WHERE last_start_time < $2 AND start_time >= $1
       AND ($3 IS NULL OR workspace_id = $3)
     LIMIT $4)
