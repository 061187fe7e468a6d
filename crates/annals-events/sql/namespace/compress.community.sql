-- Compresses what is wholly older; what is compressed already is left alone.
CREATE FUNCTION {compress_chunks_older_than}(_interval INTERVAL) RETURNS TABLE (chunk_name TEXT, compressed BOOLEAN)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    _chunk RECORD;
BEGIN
    IF NOT EXISTS (
        SELECT FROM timescaledb_information.hypertables AS hypertable
         WHERE format('%I.%I', hypertable.hypertable_schema, hypertable.hypertable_name)::regclass = '{messages}'::regclass
           AND hypertable.compression_enabled
    ) THEN
        RAISE EXCEPTION 'nobody has said yet how compressed chunks of this namespace are laid out: run annals policy set compression'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    FOR _chunk IN
        SELECT chunk.chunk_schema, chunk.chunk_name
          FROM timescaledb_information.chunks AS chunk
         WHERE format('%I.%I', chunk.hypertable_schema, chunk.hypertable_name)::regclass = '{messages}'::regclass
           AND NOT chunk.is_compressed
           AND chunk.range_end < now() - _interval
         ORDER BY chunk.range_start
    LOOP
        CALL convert_to_columnstore(format('%I.%I', _chunk.chunk_schema, _chunk.chunk_name)::regclass);
        chunk_name := _chunk.chunk_name;
        compressed := TRUE;
        RETURN NEXT;
    END LOOP;
END
$$;
