SELECT duration_nanos
FROM {spans}
WHERE model_name = $1 AND start_time >= $2 AND start_time < $3 AND duration_nanos >= 0
ORDER BY start_time DESC, start_time_nanos DESC, trace_id DESC, span_id DESC
LIMIT $4
