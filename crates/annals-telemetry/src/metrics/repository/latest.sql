SELECT
    metric_id, series_id, timestamp, timestamp_nanos, start_time, start_time_nanos, value, value_int, count, sum, min,
    max, scale, zero_count, zero_threshold, buckets, quantiles, exemplars, flags, attributes
FROM (
    SELECT *, row_number() OVER (PARTITION BY metric_id, series_id ORDER BY timestamp DESC) AS place
    FROM {metric_data_points} AS point
    WHERE timestamp >= $2 AND timestamp < $3
