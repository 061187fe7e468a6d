UPDATE {usage_hourly}
SET
    -- Costs that spans make up may have brought it to its end.
    cost_nanos = CASE
        WHEN $5 > 0 AND cost_nanos > 9223372036854775807 - $5 THEN 9223372036854775807
        ELSE max(0, cost_nanos + $5)
    END,
    unpriced_calls = max(0, unpriced_calls + $6)
WHERE hour = $1 AND service_name = $2 AND provider = $3 AND model = $4
