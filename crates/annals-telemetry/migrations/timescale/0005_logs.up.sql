SELECT create_hypertable('logs', 'timestamp', chunk_time_interval => INTERVAL '1 day', create_default_indexes => FALSE);
