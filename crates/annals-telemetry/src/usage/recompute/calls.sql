-- Calls whose cost was not reported, behind a place.
SELECT
    trace_id, span_id, start_time, start_time_nanos, service_name,
    provider, gen_ai_operation, model_name, request_model, response_model,
    input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,
    user_id, conversation_id, status_code, cost, cost_source
FROM {spans}
WHERE start_time >= $1 AND start_time < $4
    AND (start_time > $1 OR trace_id > $2 OR (trace_id = $2 AND span_id > $3))
    AND (model_name = $5 OR ($5 IS NULL AND (model_name IS NOT NULL OR request_model IS NOT NULL)))
    AND ((cost IS NULL AND cost_source IS NULL) OR cost_source <> $7)
ORDER BY start_time, trace_id, span_id
LIMIT $6
