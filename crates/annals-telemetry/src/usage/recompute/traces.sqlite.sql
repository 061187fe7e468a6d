UPDATE {traces}
SET
    cost = CASE
        WHEN model_calls > unpriced_calls + $3 THEN max(0.0, round(coalesce(cost, 0.0) * 1e9) + $2) / 1e9
    END,
    unpriced_calls = max(0, unpriced_calls + $3),
    updated_at = $4
WHERE id = $1
