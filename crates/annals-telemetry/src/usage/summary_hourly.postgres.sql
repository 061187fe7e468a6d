WITH groups AS MATERIALIZED (
    SELECT
        CASE WHEN $3::boolean THEN hour WHEN $4::boolean THEN date_trunc('day', hour, 'UTC') END AS time,
        CASE WHEN $5::boolean THEN service_name END AS who,
        CASE WHEN $6::boolean THEN provider END AS provider,
        CASE WHEN $7::boolean THEN model END AS model,
        sum(calls) AS calls,
        sum(errors) AS errors,
        sum(unpriced_calls) AS unpriced_calls,
        sum(input_tokens) AS input_tokens,
        sum(output_tokens) AS output_tokens,
        sum(cached_tokens) AS cached_tokens,
        sum(cache_write_tokens) AS cache_write_tokens,
        sum(reasoning_tokens) AS reasoning_tokens,
        sum(cost_nanos) AS cost_nanos,
        sum(duration_ms) AS duration_ms,
        sum(duration_ms_squares) AS duration_ms_squares
    FROM {usage_hourly}
    WHERE hour >= $1 AND hour < $2
        AND ($8::text IS NULL OR service_name = $8)
        AND ($9::text IS NULL OR provider = $9)
        AND ($10::text IS NULL OR model = $10)
    GROUP BY 1, 2, 3, 4
)
SELECT * FROM (
    SELECT
        FALSE AS is_total, time, who, provider, model,
        least(coalesce(calls, 0), 9223372036854775807)::bigint AS calls,
        least(coalesce(errors, 0), 9223372036854775807)::bigint AS errors,
        least(coalesce(unpriced_calls, 0), 9223372036854775807)::bigint AS unpriced_calls,
        least(coalesce(input_tokens, 0), 9223372036854775807)::bigint AS input_tokens,
        least(coalesce(output_tokens, 0), 9223372036854775807)::bigint AS output_tokens,
        least(coalesce(cached_tokens, 0), 9223372036854775807)::bigint AS cached_tokens,
        least(coalesce(cache_write_tokens, 0), 9223372036854775807)::bigint AS cache_write_tokens,
        least(coalesce(reasoning_tokens, 0), 9223372036854775807)::bigint AS reasoning_tokens,
        least(coalesce(cost_nanos, 0), 9223372036854775807)::bigint AS cost_nanos,
        duration_ms,
        duration_ms_squares
    FROM groups
    ORDER BY groups.cost_nanos DESC, groups.calls DESC, time, who COLLATE "C", provider COLLATE "C", model COLLATE "C"
    LIMIT $11
) AS first
UNION ALL
SELECT
    TRUE, NULL, NULL, NULL, NULL,
    least(coalesce(sum(calls), 0), 9223372036854775807)::bigint AS calls,
    least(coalesce(sum(errors), 0), 9223372036854775807)::bigint AS errors,
    least(coalesce(sum(unpriced_calls), 0), 9223372036854775807)::bigint AS unpriced_calls,
    least(coalesce(sum(input_tokens), 0), 9223372036854775807)::bigint AS input_tokens,
    least(coalesce(sum(output_tokens), 0), 9223372036854775807)::bigint AS output_tokens,
    least(coalesce(sum(cached_tokens), 0), 9223372036854775807)::bigint AS cached_tokens,
    least(coalesce(sum(cache_write_tokens), 0), 9223372036854775807)::bigint AS cache_write_tokens,
    least(coalesce(sum(reasoning_tokens), 0), 9223372036854775807)::bigint AS reasoning_tokens,
    least(coalesce(sum(cost_nanos), 0), 9223372036854775807)::bigint AS cost_nanos,
    coalesce(sum(duration_ms), 0) AS duration_ms,
    coalesce(sum(duration_ms_squares), 0) AS duration_ms_squares
FROM groups
