CREATE FUNCTION {compress_chunks_older_than}(_interval INTERVAL) RETURNS TABLE (chunk_name TEXT, compressed BOOLEAN)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    _chunk RECORD;
BEGIN
    FOR _chunk IN
        SELECT chunk.chunk_schema, chunk.chunk_name
          FROM timescaledb_information.chunks AS chunk
         WHERE format('%I.%I', chunk.hypertable_schema, chunk.hypertable_name)::regclass = '{messages}'::regclass
           AND NOT chunk.is_compressed
           AND chunk.range_end < now() - _interval
         ORDER BY chunk.range_start
    LOOP
        PERFORM compress_chunk(format('%I.%I', _chunk.chunk_schema, _chunk.chunk_name)::regclass);
        chunk_name := _chunk.chunk_name;
        compressed := TRUE;
        RETURN NEXT;
    END LOOP;
END
$$;
