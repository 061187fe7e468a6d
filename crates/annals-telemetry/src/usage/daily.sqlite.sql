INSERT INTO {usage_daily} AS old (
    day, subject, subject_id, provider, model,
    calls, errors, unpriced_calls, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,
    cost_nanos, duration_ms, duration_ms_squares
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (day, subject, subject_id, provider, model) DO UPDATE SET
    calls = old.calls + excluded.calls,
    errors = old.errors + excluded.errors,
    unpriced_calls = old.unpriced_calls + excluded.unpriced_calls,
    input_tokens = old.input_tokens + excluded.input_tokens,
    output_tokens = old.output_tokens + excluded.output_tokens,
    cached_tokens = old.cached_tokens + excluded.cached_tokens,
    cache_write_tokens = old.cache_write_tokens + excluded.cache_write_tokens,
    reasoning_tokens = old.reasoning_tokens + excluded.reasoning_tokens,
    -- Stops where the column ends: costs that spans make up must not hold others up.
    cost_nanos = CASE
        WHEN old.cost_nanos > 9223372036854775807 - excluded.cost_nanos THEN 9223372036854775807
        ELSE old.cost_nanos + excluded.cost_nanos
    END,
    duration_ms = old.duration_ms + excluded.duration_ms,
    duration_ms_squares = old.duration_ms_squares + excluded.duration_ms_squares
