-- The eight members are cut out here, since the tags of one span may hold whole prompts.
SELECT
    trace_id,
    span_id,
    start_time,
    start_time_nanos,
    duration_nanos,
    gpu_utilization,
    tags -> 'annals.queue_depth',
    tags -> 'infertrace.queue_depth',
    tags -> 'queue_depth',
    tags -> 'inference.queue_depth',
    tags -> 'annals.batch_fill_ratio',
    tags -> 'infertrace.batch_fill_ratio',
    tags -> 'batch_fill_ratio',
    tags -> 'inference.batch_fill_ratio'
FROM {spans}
WHERE model_name = $1 AND start_time >= $2 AND start_time < $3 AND duration_nanos >= 0
ORDER BY start_time DESC, start_time_nanos DESC, trace_id DESC, span_id DESC
LIMIT $4
