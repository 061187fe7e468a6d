-- The newest of each trace, which is first in its trace. Whether it is, is known from the whole window only; of that, the
-- partial index of what has not ended well has few rows. Its condition stands here as it stands there, which SQLite would not
-- find otherwise.
SELECT trace_id, span_id, start_time, start_time_nanos, release_target_key, deployment_id, phase, words
  FROM (
        SELECT trace_id, span_id, start_time, start_time_nanos, release_target_key, deployment_id, phase,
               COALESCE(NULLIF(message, ''), name) AS words,
               row_number() OVER (
                   PARTITION BY trace_id ORDER BY start_time DESC, start_time_nanos DESC, span_id DESC
               ) AS place
          FROM {deployment_trace_span}
         WHERE status = 'failed' AND status <> 'completed' AND node_type = 'decision' AND workspace_id = $1
           AND start_time >= $2 AND start_time < $3
       ) AS ranked
 WHERE place = 1
   -- Behind the last row of the page before.
   AND (start_time, start_time_nanos, trace_id, span_id) < ($5, $6, $7, $8)
 ORDER BY start_time DESC, start_time_nanos DESC, trace_id DESC, span_id DESC
 LIMIT $4
