-- Messages with the places, ids and times that they had; the counter's row is locked.
WITH new AS (
    SELECT *
      FROM unnest($1::timestamptz[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::text[])
           AS message ("time", global_position, "position", stream_name, "type", data, metadata, id, category)
), messages AS (
    INSERT INTO {messages} ("time", global_position, "position", stream_name, "type", data, metadata, id, category)
    SELECT "time", global_position, "position", stream_name, "type", data::jsonb, metadata::jsonb, id, category
      FROM new
), ids AS (
    INSERT INTO {message_ids} (id, "position", global_position, "time")
    SELECT id, "position", global_position, "time"
      FROM new
), heads AS (
    INSERT INTO {stream_heads} AS head (stream_name, category, "position", global_position, "time")
    SELECT DISTINCT ON (stream_name) stream_name, category, "position", global_position, "time"
      FROM new
     ORDER BY stream_name, "position" DESC
    ON CONFLICT (stream_name) DO UPDATE
       SET "position" = excluded."position",
           global_position = excluded.global_position,
           "time" = excluded."time"
     WHERE excluded."position" > head."position"
)
UPDATE {message_counter} AS counter
   SET global_position = greatest(counter.global_position, last.global_position),
       "time" = greatest(counter."time", last."time"),
       -- Heads have moved without the counter, perhaps.
       turn = gen_random_uuid()
  FROM (SELECT max(global_position) AS global_position, max("time") AS "time" FROM new) AS last
