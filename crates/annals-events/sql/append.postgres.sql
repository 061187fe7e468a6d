-- Appends a group in one statement, if nobody has appended since the turn that the writer knows ($1), so that its
-- places and versions are true. Gives whether it did, and the version that each stream had.
--
-- A version that the writer does not know (base NULL) is read here. The statement's snapshot may be older than the
-- turn of the writer's group before, but that group did not touch the stream, or the version would be known.
--
-- Arrays stand in subqueries so that the planner does not see how long they are: it would make another plan for
-- each length, every time, which takes longer than a small group.
--
-- The update waits for whoever holds the counter's row and then sees what they left, which a condition on the
-- row as the snapshot has it would not. The row is held until the commit, so that the next writer's time is not
-- before this one's.
WITH head AS MATERIALIZED (
    SELECT head.no, head.stream_name, head.category, head.required, head.messages, head.global_position,
           CASE WHEN head.base IS NULL
                THEN coalesce((SELECT stored."position" FROM {stream_heads} AS stored
                                WHERE stored.stream_name = head.stream_name), -1)
                ELSE head.base
           END AS base
      FROM unnest((SELECT $4::text[]), (SELECT $5::text[]), (SELECT $6::bigint[]), (SELECT $7::bigint[]),
                  (SELECT $8::bigint[]), (SELECT $9::bigint[])) WITH ORDINALITY
           AS head (stream_name, category, base, required, messages, global_position, no)
), fit AS (
    SELECT bool_and(required IS NULL OR required = base) AS fits FROM head
), turn AS (
    UPDATE {message_counter} AS counter
       SET global_position = CASE WHEN counter.turn = $1 AND (SELECT fits FROM fit) THEN $3 ELSE counter.global_position END,
           "time" = CASE WHEN counter.turn = $1 AND (SELECT fits FROM fit)
                         THEN greatest(counter."time", clock_timestamp()) ELSE counter."time" END,
           turn = CASE WHEN counter.turn = $1 AND (SELECT fits FROM fit) THEN $2 ELSE counter.turn END
     WHERE counter.single
    RETURNING counter."time", counter.turn = $2 AS is_ours
), new AS (
    SELECT turn."time", message.global_position, head.base + message.number AS "position", head.stream_name,
           head.category, message."type", message.data, message.metadata, message.id
      FROM turn
     CROSS JOIN unnest((SELECT $10::uuid[]), (SELECT $11::bigint[]), (SELECT $12::bigint[]), (SELECT $13::bigint[]),
                        (SELECT $14::text[]), (SELECT $15::text[]), (SELECT $16::text[]))
           AS message (id, head, number, global_position, "type", data, metadata)
      JOIN head ON head.no = message.head
     WHERE turn.is_ours
), messages AS (
    INSERT INTO {messages} ("time", global_position, "position", stream_name, "type", data, metadata, id, category)
    SELECT "time", global_position, "position", stream_name, "type", data::jsonb, metadata::jsonb, id, category
      FROM new
     ORDER BY global_position
), ids AS (
    INSERT INTO {message_ids} (id, "position", global_position, "time")
    SELECT id, "position", global_position, "time"
      FROM new
), heads AS (
    INSERT INTO {stream_heads} (stream_name, category, "position", global_position, "time")
    SELECT head.stream_name, head.category, head.base + head.messages, head.global_position, turn."time"
      FROM turn
     CROSS JOIN head
     WHERE turn.is_ours
    ON CONFLICT (stream_name) DO UPDATE
       SET "position" = excluded."position",
           global_position = excluded.global_position,
           "time" = excluded."time"
)
SELECT (SELECT is_ours FROM turn), (SELECT array_agg(base ORDER BY no) FROM head)
