DROP TABLE {trace_cache};
