CREATE FUNCTION {get_chunks}() RETURNS TABLE (
    chunk_name TEXT, range_start TIMESTAMPTZ, range_end TIMESTAMPTZ, is_compressed BOOLEAN, size_bytes BIGINT,
    message_count BIGINT
)
LANGUAGE sql STABLE AS $$
    SELECT chunk.chunk_name::text, chunk.range_start, chunk.range_end, chunk.is_compressed,
           pg_total_relation_size(format('%I.%I', chunk.chunk_schema, chunk.chunk_name)::regclass)
           -- A compressed chunk's rows are in a table of its own.
         + coalesce((SELECT pg_total_relation_size(format('%I.%I', inner_chunk.schema_name, inner_chunk.table_name)::regclass)
                       FROM _timescaledb_catalog.chunk AS outer_chunk
                       JOIN _timescaledb_catalog.chunk AS inner_chunk ON inner_chunk.id = outer_chunk.compressed_chunk_id
                      WHERE outer_chunk.schema_name = chunk.chunk_schema
                        AND outer_chunk.table_name = chunk.chunk_name), 0),
           (SELECT count(*) FROM {messages} AS message
             WHERE message."time" >= chunk.range_start AND message."time" < chunk.range_end)
      FROM timescaledb_information.chunks AS chunk
     WHERE format('%I.%I', chunk.hypertable_schema, chunk.hypertable_name)::regclass = '{messages}'::regclass
     ORDER BY chunk.range_start DESC
$$;

-- Drops what is wholly older. Versions, places and ids are kept beside the messages and go on.
CREATE FUNCTION {drop_chunks_older_than}(_interval INTERVAL) RETURNS SETOF TEXT
LANGUAGE sql VOLATILE AS $$
    SELECT drop_chunks('{messages}'::regclass, older_than => now() - _interval)::text
$$;
