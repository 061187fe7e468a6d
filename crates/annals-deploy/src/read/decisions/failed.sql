-- The newest of each trace: one that has no other behind it in the window. What makes it a decision against stands here as
-- it stands in the partial index, which neither dialect would find by parameters.
SELECT decision.trace_id, decision.span_id, decision.start_time, decision.start_time_nanos,
       decision.release_target_key, decision.deployment_id, decision.phase,
       COALESCE(NULLIF(decision.message, ''), decision.name)
  FROM {deployment_trace_span} AS decision
 WHERE decision.status = 'failed' AND decision.node_type = 'decision' AND decision.workspace_id = $1
   AND decision.start_time >= $2 AND decision.start_time < $3
   AND NOT EXISTS (
           SELECT 1
             FROM {deployment_trace_span} AS later
            WHERE later.status = 'failed' AND later.node_type = 'decision' AND later.workspace_id = $1
              AND later.start_time >= $2 AND later.start_time < $3
              AND later.trace_id = decision.trace_id
              AND (later.start_time, later.start_time_nanos, later.span_id)
                  > (decision.start_time, decision.start_time_nanos, decision.span_id)
       )
   -- Behind the last row of the page before; said once more alone, so that chunks are excluded by it.
   AND decision.start_time <= $5
   AND (decision.start_time, decision.start_time_nanos, decision.trace_id, decision.span_id) < ($5, $6, $7, $8)
 ORDER BY decision.start_time DESC, decision.start_time_nanos DESC, decision.trace_id DESC, decision.span_id DESC
 LIMIT $4
