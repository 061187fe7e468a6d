SELECT create_hypertable('{messages}', 'time', chunk_time_interval => $1::bigint, create_default_indexes => FALSE)
