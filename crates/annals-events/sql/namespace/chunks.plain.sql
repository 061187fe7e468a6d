CREATE FUNCTION {get_chunks}() RETURNS TABLE (
    chunk_name TEXT, range_start TIMESTAMPTZ, range_end TIMESTAMPTZ, is_compressed BOOLEAN, size_bytes BIGINT,
    message_count BIGINT
)
LANGUAGE sql STABLE AS $$
    SELECT NULL::text, NULL::timestamptz, NULL::timestamptz, FALSE, 0::bigint, 0::bigint WHERE FALSE
$$;

CREATE FUNCTION {drop_chunks_older_than}(_interval INTERVAL) RETURNS SETOF TEXT
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RAISE EXCEPTION 'dropping chunks needs TimescaleDB, and this is plain PostgreSQL'
        USING ERRCODE = 'feature_not_supported', HINT = 'Delete by time, or move the namespace to TimescaleDB.';
END
$$;

CREATE FUNCTION {compress_chunks_older_than}(_interval INTERVAL) RETURNS TABLE (chunk_name TEXT, compressed BOOLEAN)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RAISE EXCEPTION 'compression needs TimescaleDB''s Community edition, and this is plain PostgreSQL'
        USING ERRCODE = 'feature_not_supported', HINT = 'Move the namespace to TimescaleDB.';
END
$$;
