UPDATE {usage_daily}
SET
    -- Costs that spans make up may have brought it to its end.
    cost_nanos = CASE
        WHEN $6 > 0 AND cost_nanos > 9223372036854775807 - $6 THEN 9223372036854775807
        ELSE max(0, cost_nanos + $6)
    END,
    unpriced_calls = max(0, unpriced_calls + $7)
WHERE day = $1 AND subject = $2 AND subject_id = $3 AND provider = $4 AND model = $5
