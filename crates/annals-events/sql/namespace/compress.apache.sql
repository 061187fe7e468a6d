CREATE FUNCTION {compress_chunks_older_than}(_interval INTERVAL) RETURNS TABLE (chunk_name TEXT, compressed BOOLEAN)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RAISE EXCEPTION 'compression needs the Community edition of TimescaleDB, and this is the Apache edition'
        USING ERRCODE = 'feature_not_supported', HINT = 'Install the Community edition and create the function anew.';
END
$$;
