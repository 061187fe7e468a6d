-- What is summed up, by what; summary_end goes on.
WITH rows AS NOT MATERIALIZED (
    SELECT
        CASE WHEN $3::boolean THEN hour WHEN $4::boolean THEN date_trunc('day', hour, 'UTC') END AS time,
        CASE WHEN $5::boolean THEN service_name END AS who,
        CASE WHEN $6::boolean THEN provider END AS provider,
        CASE WHEN $7::boolean THEN model END AS model,
        calls,
        errors,
        unpriced_calls,
        input_tokens,
        output_tokens,
        cached_tokens,
        cache_write_tokens,
        reasoning_tokens,
        cost_nanos,
        duration_ms,
        duration_ms_squares
    FROM {usage_hourly}
    WHERE hour >= $1 AND hour < $2
        AND ($8::text IS NULL OR service_name = $8)
        AND ($9::text IS NULL OR provider = $9)
        AND ($10::text IS NULL OR model = $10)
),
