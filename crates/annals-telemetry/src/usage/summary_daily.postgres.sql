-- What is summed up, by what; summary_end goes on.
WITH rows AS NOT MATERIALIZED (
    SELECT
        CASE WHEN $3::boolean OR $4::boolean THEN day END AS time,
        CASE WHEN $5::boolean THEN subject_id END AS who,
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
    FROM {usage_daily}
    WHERE day >= $1 AND day < $2
        AND ($8::text IS NULL OR subject_id = $8)
        AND ($9::text IS NULL OR provider = $9)
        AND ($10::text IS NULL OR model = $10)
        AND subject = $12
),
