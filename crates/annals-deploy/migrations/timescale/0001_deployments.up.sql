-- Chunks do what this index is for.
DROP INDEX deployment_trace_span_start_time_idx;
SELECT create_hypertable('deployment_trace_span', 'start_time', chunk_time_interval => INTERVAL '7 days', create_default_indexes => FALSE);
