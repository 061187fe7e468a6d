INSERT INTO {traces} AS old (
    id, trace_id, service_name, start_time, start_time_nanos, end_time, end_time_nanos, duration_us,
    status, status_message, root_span_name, span_count,
    user_id, conversation_id, error_count, model_calls, unpriced_calls, input_tokens, output_tokens, cost
)
SELECT * FROM UNNEST(
    $1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::int[], $6::timestamptz[], $7::int[], $8::bigint[],
    $9::text[], $10::text[], $11::text[], $12::int[],
    $13::text[], $14::text[], $15::int[], $16::int[], $17::int[], $18::bigint[], $19::bigint[], $20::double precision[]
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
    updated_at = now(),
    user_id = least(old.user_id COLLATE "C", EXCLUDED.user_id COLLATE "C"),
    conversation_id = least(old.conversation_id COLLATE "C", EXCLUDED.conversation_id COLLATE "C"),
    error_count = old.error_count + EXCLUDED.error_count,
    model_calls = old.model_calls + EXCLUDED.model_calls,
    unpriced_calls = old.unpriced_calls + EXCLUDED.unpriced_calls,
    input_tokens = old.input_tokens + EXCLUDED.input_tokens,
    output_tokens = old.output_tokens + EXCLUDED.output_tokens,
    -- Of whole billionths, so that the order in which batches come changes no digit.
    cost = CASE
        WHEN old.cost IS NULL THEN EXCLUDED.cost
        WHEN EXCLUDED.cost IS NULL THEN old.cost
        ELSE round((old.cost + EXCLUDED.cost) * 1e9::double precision) / 1e9::double precision
    END
