INSERT INTO {traces} AS old (
    id, trace_id, service_name, start_time, start_time_nanos, end_time, end_time_nanos, duration_us, status,
    status_message, root_span_name, attributes, resource_attributes, user_id, conversation_id, created_at, updated_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16)
ON CONFLICT (id) DO UPDATE SET
    service_name = CASE WHEN old.span_count > 0 THEN old.service_name ELSE excluded.service_name END,
    start_time = CASE WHEN old.span_count > 0 THEN min(old.start_time, excluded.start_time) ELSE excluded.start_time END,
    start_time_nanos = CASE
        WHEN old.span_count > 0
            AND (old.start_time, old.start_time_nanos) < (excluded.start_time, excluded.start_time_nanos)
            THEN old.start_time_nanos
        ELSE excluded.start_time_nanos
    END,
    end_time = CASE
        WHEN excluded.end_time IS NULL THEN old.end_time
        WHEN old.span_count > 0 THEN max(coalesce(old.end_time, excluded.end_time), excluded.end_time)
        ELSE excluded.end_time
    END,
    end_time_nanos = CASE
        WHEN excluded.end_time IS NULL THEN old.end_time_nanos
        WHEN old.span_count > 0
            AND (old.end_time, old.end_time_nanos) > (excluded.end_time, excluded.end_time_nanos)
            THEN old.end_time_nanos
        ELSE excluded.end_time_nanos
    END,
    duration_us = CASE
        WHEN excluded.end_time IS NULL THEN old.end_time
        WHEN old.span_count > 0 THEN max(coalesce(old.end_time, excluded.end_time), excluded.end_time)
        ELSE excluded.end_time
    END - CASE WHEN old.span_count > 0 THEN min(old.start_time, excluded.start_time) ELSE excluded.start_time END,
    status = CASE
        WHEN excluded.status = 'unset' OR old.error_count > 0 THEN old.status
        ELSE excluded.status
    END,
    status_message = coalesce(excluded.status_message, old.status_message),
    root_span_name = coalesce(excluded.root_span_name, old.root_span_name),
    attributes = CASE WHEN excluded.attributes = '{}' THEN old.attributes ELSE excluded.attributes END,
    resource_attributes = CASE
        WHEN excluded.resource_attributes = '{}' THEN old.resource_attributes
        ELSE excluded.resource_attributes
    END,
    user_id = coalesce(excluded.user_id, old.user_id),
    conversation_id = coalesce(excluded.conversation_id, old.conversation_id),
    updated_at = excluded.updated_at
