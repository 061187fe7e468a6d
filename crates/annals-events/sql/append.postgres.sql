-- Appends a group in one statement, if nobody has appended since the turn that the writer knows ($1), so that its
-- places and versions are true. Gives 1, or 0 when nothing was written.
--
-- The update waits for whoever holds the counter's row and then sees what they left, which a condition on the
-- row as this statement's snapshot has it would not. The row is held until the commit, so that the next writer's
-- time is not before this one's.
WITH turn AS (
    UPDATE {message_counter} AS counter
       SET global_position = CASE WHEN counter.turn = $1 THEN $3 ELSE counter.global_position END,
           "time" = CASE WHEN counter.turn = $1 THEN greatest(counter."time", clock_timestamp()) ELSE counter."time" END,
           turn = CASE WHEN counter.turn = $1 THEN $2 ELSE counter.turn END
     WHERE counter.single
    RETURNING counter."time", counter.turn = $2 AS is_ours
), new AS (
    SELECT turn."time", message.*
      FROM turn
     CROSS JOIN unnest($4::uuid[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::text[], $10::text[], $11::text[])
           AS message (id, stream_name, category, "position", global_position, "type", data, metadata)
     WHERE turn.is_ours
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
     WHERE turn.is_ours
    ON CONFLICT (stream_name) DO UPDATE
       SET "position" = excluded."position",
           global_position = excluded.global_position,
           "time" = excluded."time"
)
SELECT count(*) FROM turn WHERE is_ours
