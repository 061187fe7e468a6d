-- The first place or id that is taken already.
SELECT what
  FROM (
        SELECT 1 AS rank, 'global position ' || message.global_position AS what
          FROM {messages} AS message
         WHERE message.global_position = ANY($1::bigint[])
        UNION ALL
        SELECT 2, 'position ' || asked."position" || ' of stream ' || asked.stream_name
          FROM unnest($2::text[], $3::bigint[]) AS asked (stream_name, "position")
          JOIN {messages} AS message
            ON message.stream_name = asked.stream_name AND message."position" = asked."position"
        UNION ALL
        SELECT 3, 'message id ' || message_id.id
          FROM {message_ids} AS message_id
         WHERE message_id.id = ANY($4::uuid[])
       ) AS taken
 ORDER BY rank
 LIMIT 1
