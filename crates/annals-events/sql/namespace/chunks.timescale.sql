CREATE FUNCTION {get_chunks}() RETURNS TABLE (
    chunk_name TEXT, range_start TIMESTAMPTZ, range_end TIMESTAMPTZ, is_compressed BOOLEAN, size_bytes BIGINT,
    message_count BIGINT
)
LANGUAGE sql STABLE AS $$
    SELECT chunk.chunk_name::text, chunk.range_start, chunk.range_end, chunk.is_compressed, size.total_bytes,
           (SELECT count(*) FROM {messages} AS message
             WHERE message."time" >= chunk.range_start AND message."time" < chunk.range_end)
      FROM timescaledb_information.chunks AS chunk
      -- With what a compressed chunk keeps in a table of its own.
      JOIN chunks_detailed_size('{messages}'::regclass) AS size
        ON size.chunk_schema = chunk.chunk_schema AND size.chunk_name = chunk.chunk_name
     WHERE format('%I.%I', chunk.hypertable_schema, chunk.hypertable_name)::regclass = '{messages}'::regclass
     ORDER BY chunk.range_start DESC
$$;

-- Drops what is wholly older. Versions, places and ids are kept beside the messages and go on.
CREATE FUNCTION {drop_chunks_older_than}(_interval INTERVAL) RETURNS SETOF TEXT
LANGUAGE sql VOLATILE AS $$
    SELECT drop_chunks('{messages}'::regclass, older_than => now() - _interval)::text
$$;
