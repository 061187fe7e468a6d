INSERT INTO {traces} AS old (
    id, trace_id, service_name, start_time, start_time_nanos, end_time, end_time_nanos, duration_us, status,
    status_message, root_span_name, attributes, resource_attributes, user_id, conversation_id
)
SELECT
    id, trace_id, service_name, start_time, start_time_nanos, end_time, end_time_nanos, duration_us, status,
    status_message, root_span_name, attributes::jsonb, resource_attributes::jsonb, user_id, conversation_id
FROM UNNEST(
    $1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::int[], $6::timestamptz[], $7::int[], $8::bigint[],
    $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[]
) AS declared (
    id, trace_id, service_name, start_time, start_time_nanos, end_time, end_time_nanos, duration_us, status,
    status_message, root_span_name, attributes, resource_attributes, user_id, conversation_id
)
ON CONFLICT (id) DO UPDATE SET
    service_name = CASE WHEN old.span_count > 0 THEN old.service_name ELSE EXCLUDED.service_name END,
    -- Its spans' times stay within; without any it is what is declared.
    (start_time, start_time_nanos) = (
        SELECT * FROM (VALUES
            (CASE WHEN old.span_count > 0 THEN old.start_time END, old.start_time_nanos),
            (EXCLUDED.start_time, EXCLUDED.start_time_nanos)
        ) AS t ORDER BY 1, 2 LIMIT 1
    ),
    (end_time, end_time_nanos) = (
        SELECT * FROM (VALUES
            (CASE WHEN old.span_count > 0 OR EXCLUDED.end_time IS NULL THEN old.end_time END, old.end_time_nanos),
            (EXCLUDED.end_time, EXCLUDED.end_time_nanos)
        ) AS t ORDER BY 1 DESC NULLS LAST, 2 DESC NULLS LAST LIMIT 1
    ),
    duration_us = (extract(epoch FROM
        greatest(CASE WHEN old.span_count > 0 OR EXCLUDED.end_time IS NULL THEN old.end_time END, EXCLUDED.end_time)
        - least(CASE WHEN old.span_count > 0 THEN old.start_time END, EXCLUDED.start_time)) * 1000000)::bigint,
    status = CASE
        WHEN EXCLUDED.status = 'unset' OR old.error_count > 0 THEN old.status
        ELSE EXCLUDED.status
    END,
    status_message = COALESCE(EXCLUDED.status_message, old.status_message),
    root_span_name = COALESCE(EXCLUDED.root_span_name, old.root_span_name),
    attributes = CASE WHEN EXCLUDED.attributes = '{}' THEN old.attributes ELSE EXCLUDED.attributes END,
    resource_attributes = CASE
        WHEN EXCLUDED.resource_attributes = '{}' THEN old.resource_attributes
        ELSE EXCLUDED.resource_attributes
    END,
    user_id = COALESCE(EXCLUDED.user_id, old.user_id),
    conversation_id = COALESCE(EXCLUDED.conversation_id, old.conversation_id),
    updated_at = now()
