UPDATE {traces} AS trace
SET
    -- Absent when of no call it is known.
    cost = CASE
        WHEN trace.model_calls > trace.unpriced_calls + new.unpriced_calls THEN
            greatest(0, round(coalesce(trace.cost, 0) * 1e9::double precision) + new.cost_nanos) / 1e9::double precision
    END,
    unpriced_calls = greatest(0, trace.unpriced_calls + new.unpriced_calls),
    updated_at = now()
FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[]) AS new (id, cost_nanos, unpriced_calls)
WHERE trace.id = new.id
