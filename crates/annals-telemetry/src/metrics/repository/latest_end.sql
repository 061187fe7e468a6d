) AS newest
WHERE place = 1
ORDER BY metric_id, series_id
LIMIT $5
