SELECT create_hypertable('bars_5m', 'timestamp', chunk_time_interval => INTERVAL '30 days', create_default_indexes => FALSE);
SELECT create_hypertable('bars_15m', 'timestamp', chunk_time_interval => INTERVAL '90 days', create_default_indexes => FALSE);
SELECT create_hypertable('bars_1h', 'timestamp', chunk_time_interval => INTERVAL '365 days', create_default_indexes => FALSE);
