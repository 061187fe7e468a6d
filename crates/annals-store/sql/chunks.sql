SELECT info.chunk_name::text, info.chunk_schema::text,
       (extract(epoch FROM info.range_start) * 1000000)::bigint,
       (extract(epoch FROM info.range_end) * 1000000)::bigint,
       _timescaledb_functions.chunk_status(relation.oid::regclass),
       info.chunk_tablespace::text,
       size.total_bytes,
       stored.uncompressed_heap_size + stored.uncompressed_toast_size + stored.uncompressed_index_size,
       -- Of what is compressed the server knows how many there were; of the rest it has an estimate once it has looked,
       -- and none when it believes of a file with something in it that it is empty.
       CASE WHEN stored.chunk_id IS NOT NULL THEN stored.numrows_pre_compression + greatest(relation.reltuples, 0)::bigint
            WHEN relation.reltuples > 0 OR pg_relation_size(relation.oid) = 0 THEN greatest(relation.reltuples, 0)::bigint
       END
  FROM timescaledb_information.chunks AS info
  JOIN pg_class AS relation ON relation.oid = to_regclass(format('%I.%I', info.chunk_schema, info.chunk_name))
  -- With what a compressed chunk keeps in a table of its own.
  JOIN {timescale}.chunks_detailed_size($1::text::regclass) AS size
    ON size.chunk_schema = info.chunk_schema AND size.chunk_name = info.chunk_name
  LEFT JOIN _timescaledb_catalog.compression_chunk_size AS stored
    ON stored.chunk_id = _timescaledb_functions.chunk_id_from_relid(relation.oid)
 WHERE info.hypertable_schema = $2 AND info.hypertable_name = $3
 ORDER BY info.range_start
