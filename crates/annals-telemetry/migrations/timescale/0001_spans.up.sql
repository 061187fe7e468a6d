SELECT create_hypertable('spans', 'start_time', chunk_time_interval => INTERVAL '1 day', create_default_indexes => FALSE);
