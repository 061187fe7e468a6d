-- Rows of a service. Those of other services had spans of others.
SELECT trace.id, trace.start_time, coalesce(trace.end_time, trace.start_time)
  FROM {traces} AS trace
 WHERE trace.service_name = $3
   AND trace.start_time < $1
   AND trace.id > $4
 ORDER BY trace.id
 LIMIT $2
