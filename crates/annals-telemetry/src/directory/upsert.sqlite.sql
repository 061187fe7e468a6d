INSERT INTO {traces} AS old (
    id, trace_id, service_name, start_time, start_time_nanos, end_time, end_time_nanos, duration_us,
    status, status_message, root_span_name, span_count, created_at, updated_at,
    user_id, conversation_id, error_count, model_calls, unpriced_calls, input_tokens, output_tokens, cost
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $15, $16, $17, $18, $19, $20, $21)
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
    updated_at = excluded.updated_at,
    user_id = coalesce(min(old.user_id, excluded.user_id), old.user_id, excluded.user_id),
    conversation_id = coalesce(min(old.conversation_id, excluded.conversation_id), old.conversation_id, excluded.conversation_id),
    error_count = old.error_count + excluded.error_count,
    model_calls = old.model_calls + excluded.model_calls,
    unpriced_calls = old.unpriced_calls + excluded.unpriced_calls,
    input_tokens = old.input_tokens + excluded.input_tokens,
    output_tokens = old.output_tokens + excluded.output_tokens,
    cost = CASE
        WHEN old.cost IS NULL THEN excluded.cost
        WHEN excluded.cost IS NULL THEN old.cost
        ELSE round((old.cost + excluded.cost) * 1e9) / 1e9
    END
