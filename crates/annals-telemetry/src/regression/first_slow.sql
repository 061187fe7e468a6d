SELECT start_time, start_time_nanos
FROM {spans}
WHERE model_name = $1 AND start_time >= $2 AND start_time < $3
    AND (CAST($4 AS text) IS NULL OR model_version = $4)
    AND duration_nanos >= $5
ORDER BY start_time, start_time_nanos
LIMIT 1
