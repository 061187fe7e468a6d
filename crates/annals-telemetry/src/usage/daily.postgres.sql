INSERT INTO {usage_daily} AS old (
    day, subject, subject_id, provider, model,
    calls, errors, unpriced_calls, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,
    cost_nanos, duration_ms, duration_ms_squares
)
SELECT * FROM UNNEST(
    $1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[],
    $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
    $15::double precision[], $16::double precision[]
)
ON CONFLICT (day, subject, subject_id, provider, model) DO UPDATE SET
    calls = old.calls + EXCLUDED.calls,
    errors = old.errors + EXCLUDED.errors,
    unpriced_calls = old.unpriced_calls + EXCLUDED.unpriced_calls,
    input_tokens = old.input_tokens + EXCLUDED.input_tokens,
    output_tokens = old.output_tokens + EXCLUDED.output_tokens,
    cached_tokens = old.cached_tokens + EXCLUDED.cached_tokens,
    cache_write_tokens = old.cache_write_tokens + EXCLUDED.cache_write_tokens,
    reasoning_tokens = old.reasoning_tokens + EXCLUDED.reasoning_tokens,
    -- Stops where the column ends: costs that spans make up must not hold others up.
    cost_nanos = CASE
        WHEN old.cost_nanos > 9223372036854775807 - EXCLUDED.cost_nanos THEN 9223372036854775807
        ELSE old.cost_nanos + EXCLUDED.cost_nanos
    END,
    duration_ms = old.duration_ms + EXCLUDED.duration_ms,
    duration_ms_squares = old.duration_ms_squares + EXCLUDED.duration_ms_squares
