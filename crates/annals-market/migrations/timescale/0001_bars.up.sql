SELECT create_hypertable('bars_1m', 'timestamp', chunk_time_interval => INTERVAL '7 days', create_default_indexes => FALSE);
