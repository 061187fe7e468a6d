-- As down.sql, for traces that are not in the directory: by what their spans say.
WITH RECURSIVE below (trace_id, parent_trace_id) AS (
    SELECT trace_id, parent_trace_id
      FROM {deployment_trace_span}
     WHERE trace_id = $1 AND workspace_id = $2
    UNION
    SELECT span.trace_id, span.parent_trace_id
      FROM below
      JOIN {deployment_trace_span} AS span ON span.parent_trace_id = below.trace_id
     WHERE span.workspace_id = $2
)
SELECT trace_id, parent_trace_id, CAST(NULL AS timestamptz), CAST(NULL AS timestamptz) FROM below LIMIT $3
