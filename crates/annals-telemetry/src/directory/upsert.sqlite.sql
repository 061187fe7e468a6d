INSERT INTO {traces} AS old (
    id, trace_id, service_name, start_time, start_time_nanos, end_time, end_time_nanos, duration_us,
    status, status_message, root_span_name, span_count, created_at, updated_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
ON CONFLICT (id) DO UPDATE SET
    service_name = CASE
        WHEN old.root_span_name IS NOT NULL THEN old.service_name
        WHEN excluded.root_span_name IS NOT NULL THEN excluded.service_name
        WHEN (excluded.start_time, excluded.start_time_nanos) < (old.start_time, old.start_time_nanos)
            THEN excluded.service_name
        ELSE old.service_name
    END,
    start_time = min(old.start_time, excluded.start_time),
    start_time_nanos = CASE
        WHEN (excluded.start_time, excluded.start_time_nanos) < (old.start_time, old.start_time_nanos)
            THEN excluded.start_time_nanos
        ELSE old.start_time_nanos
    END,
    end_time = max(coalesce(old.end_time, excluded.end_time), excluded.end_time),
    end_time_nanos = CASE
        WHEN old.end_time IS NULL
            OR (excluded.end_time, excluded.end_time_nanos) > (old.end_time, old.end_time_nanos)
            THEN excluded.end_time_nanos
        ELSE old.end_time_nanos
    END,
    duration_us = max(coalesce(old.end_time, excluded.end_time), excluded.end_time) - min(old.start_time, excluded.start_time),
    status = CASE
        WHEN 'error' IN (old.status, excluded.status) THEN 'error'
        WHEN 'ok' IN (old.status, excluded.status) THEN 'ok'
        ELSE old.status
    END,
    status_message = coalesce(old.status_message, excluded.status_message),
    root_span_name = coalesce(old.root_span_name, excluded.root_span_name),
    span_count = old.span_count + excluded.span_count,
    updated_at = excluded.updated_at
