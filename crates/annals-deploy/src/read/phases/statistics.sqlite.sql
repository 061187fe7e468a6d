SELECT phase,
       count(*) FILTER (WHERE has_ended),
       count(*) FILTER (WHERE has_ended AND status IN ('failed', 'aborted')),
       count(*) FILTER (WHERE NOT has_ended),
       -- Of those that run there is no duration.
       CAST(round(avg(duration_nanos)) AS INTEGER),
       max(duration_nanos) FILTER (WHERE has_ended AND place = (50 * total + 99) / 100),
       max(duration_nanos) FILTER (WHERE has_ended AND place = (95 * total + 99) / 100),
       max(duration_nanos) FILTER (WHERE has_ended AND place = (99 * total + 99) / 100),
       max(duration_nanos)
  FROM (
        SELECT phase, status, has_ended, duration_nanos,
               row_number() OVER (PARTITION BY phase, has_ended ORDER BY duration_nanos) AS place,
               count(*) OVER (PARTITION BY phase, has_ended) AS total
          FROM (
                SELECT phase, status, end_time IS NOT NULL AS has_ended,
                       -- Not less than nothing by a clock that was set back, and not more than 64 bits hold.
                       CASE WHEN end_time IS NOT NULL THEN
                           max(0, min(end_time - start_time, 9000000000000000)
                                  * 1000 + COALESCE(end_time_nanos, 0) - start_time_nanos)
                       END AS duration_nanos
                  FROM {deployment_trace_span}
                 WHERE workspace_id = $1 AND start_time >= $2 AND start_time < $3
                   AND node_type = 'phase' AND phase IS NOT NULL
                   -- Without a deployment, every deployment counts.
                   AND ($4 IS NULL OR deployment_id = $4)
               ) AS spans
       ) AS ranked
 GROUP BY phase
 ORDER BY phase
 LIMIT $5
