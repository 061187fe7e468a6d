-- Goes on where the rows end.
    GROUP BY 1, 2, 3, 4
)
SELECT * FROM (
    SELECT
        0 AS is_total, time, who, provider, model,
        calls,
        errors,
        unpriced_calls,
        input_tokens,
        output_tokens,
        cached_tokens,
        cache_write_tokens,
        reasoning_tokens,
        CASE WHEN dollars + nanos / 1000000000 > 9223372035 THEN 9223372036854775807 ELSE dollars * 1000000000 + nanos END AS cost_nanos,
        duration_ms,
        duration_ms_squares
    FROM groups
    ORDER BY groups.dollars + groups.nanos / 1000000000 DESC, groups.nanos % 1000000000 DESC, groups.calls DESC, time, who, provider, model
    LIMIT $11
) AS first
UNION ALL
SELECT
    1, NULL, NULL, NULL, NULL,
    coalesce(sum(calls), 0) AS calls,
    coalesce(sum(errors), 0) AS errors,
    coalesce(sum(unpriced_calls), 0) AS unpriced_calls,
    coalesce(sum(input_tokens), 0) AS input_tokens,
    coalesce(sum(output_tokens), 0) AS output_tokens,
    coalesce(sum(cached_tokens), 0) AS cached_tokens,
    coalesce(sum(cache_write_tokens), 0) AS cache_write_tokens,
    coalesce(sum(reasoning_tokens), 0) AS reasoning_tokens,
    CASE WHEN coalesce(sum(dollars), 0) + coalesce(sum(nanos), 0) / 1000000000 > 9223372035 THEN 9223372036854775807 ELSE coalesce(sum(dollars), 0) * 1000000000 + coalesce(sum(nanos), 0) END AS cost_nanos,
    coalesce(sum(duration_ms), 0.0) AS duration_ms,
    coalesce(sum(duration_ms_squares), 0.0) AS duration_ms_squares
FROM groups
