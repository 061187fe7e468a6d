INSERT INTO {traces} AS old (
    id, trace_id, service_name, start_time, start_time_nanos, end_time, end_time_nanos, duration_us,
    status, status_message, root_span_name, span_count
)
SELECT * FROM UNNEST(
    $1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::int[], $6::timestamptz[], $7::int[], $8::bigint[],
    $9::text[], $10::text[], $11::text[], $12::int[]
)
ON CONFLICT (id) DO UPDATE SET
    service_name = CASE
        WHEN old.root_span_name IS NOT NULL THEN old.service_name
        WHEN EXCLUDED.root_span_name IS NOT NULL THEN EXCLUDED.service_name
        WHEN (EXCLUDED.start_time, EXCLUDED.start_time_nanos) < (old.start_time, old.start_time_nanos)
            THEN EXCLUDED.service_name
        ELSE old.service_name
    END,
    (start_time, start_time_nanos) = (
        SELECT * FROM (VALUES (old.start_time, old.start_time_nanos), (EXCLUDED.start_time, EXCLUDED.start_time_nanos)) AS t
        ORDER BY 1, 2 LIMIT 1
    ),
    (end_time, end_time_nanos) = (
        SELECT * FROM (VALUES (old.end_time, old.end_time_nanos), (EXCLUDED.end_time, EXCLUDED.end_time_nanos)) AS t
        ORDER BY 1 DESC NULLS LAST, 2 DESC LIMIT 1
    ),
    duration_us = (extract(epoch FROM
        greatest(old.end_time, EXCLUDED.end_time) - least(old.start_time, EXCLUDED.start_time)) * 1000000)::bigint,
    status = CASE
        WHEN 'error' IN (old.status, EXCLUDED.status) THEN 'error'
        WHEN 'ok' IN (old.status, EXCLUDED.status) THEN 'ok'
        ELSE old.status
    END,
    status_message = COALESCE(old.status_message, EXCLUDED.status_message),
    root_span_name = COALESCE(old.root_span_name, EXCLUDED.root_span_name),
    span_count = old.span_count + EXCLUDED.span_count,
    updated_at = now()
