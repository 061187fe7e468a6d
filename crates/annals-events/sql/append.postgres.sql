-- Appends a group in one statement, if the namespace is still as the writer knows it: nobody else has appended
-- since, so that its places and versions are true. Gives 1, or 0 when nothing was written.
--
-- The counter's row is locked from here to the commit, so the next writer's time is not before this one's.
WITH turn AS (
    UPDATE {message_counter} AS counter
       SET global_position = $3,
           "time" = greatest(counter."time", clock_timestamp())
     WHERE counter.global_position = $1
       AND counter.incarnation = $2
    RETURNING counter."time"
), new AS (
    SELECT turn."time", message.*
      FROM turn
     CROSS JOIN unnest($4::uuid[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::text[], $10::text[], $11::text[])
           AS message (id, stream_name, category, "position", global_position, "type", data, metadata)
), messages AS (
    INSERT INTO {messages} ("time", global_position, "position", stream_name, "type", data, metadata, id, category)
    SELECT "time", global_position, "position", stream_name, "type", data::jsonb, metadata::jsonb, id, category
      FROM new
), ids AS (
    INSERT INTO {message_ids} (id, "position", global_position, "time")
    SELECT id, "position", global_position, "time"
      FROM new
), heads AS (
    INSERT INTO {stream_heads} (stream_name, category, "position", global_position, "time")
    SELECT head.stream_name, head.category, head."position", head.global_position, turn."time"
      FROM turn
     CROSS JOIN unnest($12::text[], $13::text[], $14::bigint[], $15::bigint[])
           AS head (stream_name, category, "position", global_position)
    ON CONFLICT (stream_name) DO UPDATE
       SET "position" = excluded."position",
           global_position = excluded.global_position,
           "time" = excluded."time"
)
SELECT count(*) FROM turn
