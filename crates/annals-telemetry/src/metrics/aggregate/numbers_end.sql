GROUP BY metric_id, series_id, attributes, bucket
-- The same sums, to the last digit, whichever way rows were found, as far as one group goes.
ORDER BY metric_id, series_id, bucket
LIMIT $7
