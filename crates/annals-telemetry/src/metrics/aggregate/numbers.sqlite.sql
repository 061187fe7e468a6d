SELECT
    metric_id,
    series_id,
    attributes,
    timestamp - (((timestamp - $6) % $5) + $5) % $5 AS bucket,
    count(*),
    -- What is no number is a text here.
    count(*) FILTER (WHERE typeof(value) = 'text'),
    sum(value) FILTER (WHERE typeof(value) <> 'text'),
    min(value) FILTER (WHERE typeof(value) <> 'text'),
    max(value) FILTER (WHERE typeof(value) <> 'text')
FROM {metric_data_points} AS point
WHERE timestamp >= $2 AND timestamp < $3
        AND value IS NOT NULL
        AND flags & 1 = 0
