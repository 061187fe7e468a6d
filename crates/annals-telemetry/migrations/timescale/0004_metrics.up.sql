-- Chunks do what this index is for.
DROP INDEX metric_data_points_timestamp_idx;
SELECT create_hypertable('metric_data_points', 'timestamp', chunk_time_interval => INTERVAL '1 day', create_default_indexes => FALSE);
