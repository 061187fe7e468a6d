-- What is summed up, by what; summary_end goes on.
WITH groups AS MATERIALIZED (
    SELECT
        CASE WHEN $3 THEN hour WHEN $4 THEN hour - (hour % 86400000000 + 86400000000) % 86400000000 END AS time,
        CASE WHEN $5 THEN service_name END AS who,
        CASE WHEN $6 THEN provider END AS provider,
        CASE WHEN $7 THEN model END AS model,
        sum(calls) AS calls,
        sum(errors) AS errors,
        sum(unpriced_calls) AS unpriced_calls,
        sum(input_tokens) AS input_tokens,
        sum(output_tokens) AS output_tokens,
        sum(cached_tokens) AS cached_tokens,
        sum(cache_write_tokens) AS cache_write_tokens,
        sum(reasoning_tokens) AS reasoning_tokens,
        -- In two parts, as a sum that is too large for an integer is an error.
        sum(cost_nanos / 1000000000) AS dollars,
        sum(cost_nanos % 1000000000) AS nanos,
        sum(duration_ms) AS duration_ms,
        sum(duration_ms_squares) AS duration_ms_squares
    FROM {usage_hourly}
    WHERE hour >= $1 AND hour < $2
        AND ($8 IS NULL OR service_name = $8)
        AND ($9 IS NULL OR provider = $9)
        AND ($10 IS NULL OR model = $10)
