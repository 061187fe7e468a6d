SELECT
    metric_id,
    series_id,
    attributes,
    date_bin($5 * INTERVAL '1 microsecond', timestamp, $6) AS bucket,
    count(*),
    count(*) FILTER (WHERE value = 'NaN'),
    sum(value) FILTER (WHERE value <> 'NaN'),
    min(value) FILTER (WHERE value <> 'NaN'),
    max(value) FILTER (WHERE value <> 'NaN')
FROM {metric_data_points} AS point
WHERE timestamp >= $2 AND timestamp < $3
        AND value IS NOT NULL
        AND flags & 1 = 0
