-- Which groups cost most is told by sums that are quick to make, and everything is summed up of those, and of all others
-- together: a month may have a hundred thousand conversations, and an exact sum of each of their columns takes most of a
-- second.
first AS MATERIALIZED (
    SELECT row_number() OVER () AS place, found.*
    FROM (
        SELECT time, who, provider, model
        FROM rows
        GROUP BY 1, 2, 3, 4
        ORDER BY
            sum(cost_nanos::double precision) DESC, sum(calls::double precision) DESC,
            time, who COLLATE "C", provider COLLATE "C", model COLLATE "C"
        LIMIT $11
    ) AS found
),
-- A row for each of the first, and one without a place for all others.
sums AS MATERIALIZED (
    SELECT
        first.place,
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
    FROM rows
    -- What is not asked for is absent on both sides.
    LEFT JOIN first ON coalesce(rows.time, 'epoch') = coalesce(first.time, 'epoch')
        AND coalesce(rows.who, '') = coalesce(first.who, '')
        AND coalesce(rows.provider, '') = coalesce(first.provider, '')
        AND coalesce(rows.model, '') = coalesce(first.model, '')
    GROUP BY first.place
)
SELECT
    FALSE AS is_total, time, who, provider, model,
    least(calls, 9223372036854775807)::bigint AS calls,
    least(errors, 9223372036854775807)::bigint AS errors,
    least(unpriced_calls, 9223372036854775807)::bigint AS unpriced_calls,
    least(input_tokens, 9223372036854775807)::bigint AS input_tokens,
    least(output_tokens, 9223372036854775807)::bigint AS output_tokens,
    least(cached_tokens, 9223372036854775807)::bigint AS cached_tokens,
    least(cache_write_tokens, 9223372036854775807)::bigint AS cache_write_tokens,
    least(reasoning_tokens, 9223372036854775807)::bigint AS reasoning_tokens,
    least(cost_nanos, 9223372036854775807)::bigint AS cost_nanos,
    duration_ms,
    duration_ms_squares
FROM sums
JOIN first USING (place)
UNION ALL
SELECT
    TRUE, NULL, NULL, NULL, NULL,
    least(coalesce(sum(calls), 0), 9223372036854775807)::bigint,
    least(coalesce(sum(errors), 0), 9223372036854775807)::bigint,
    least(coalesce(sum(unpriced_calls), 0), 9223372036854775807)::bigint,
    least(coalesce(sum(input_tokens), 0), 9223372036854775807)::bigint,
    least(coalesce(sum(output_tokens), 0), 9223372036854775807)::bigint,
    least(coalesce(sum(cached_tokens), 0), 9223372036854775807)::bigint,
    least(coalesce(sum(cache_write_tokens), 0), 9223372036854775807)::bigint,
    least(coalesce(sum(reasoning_tokens), 0), 9223372036854775807)::bigint,
    least(coalesce(sum(cost_nanos), 0), 9223372036854775807)::bigint,
    coalesce(sum(duration_ms), 0),
    coalesce(sum(duration_ms_squares), 0)
FROM sums
