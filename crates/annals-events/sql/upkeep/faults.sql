-- What cannot be, as one sentence each.
SELECT sentence
  FROM (
        SELECT 1 AS rank, 'global position ' || global_position || ' is that of ' || count(*) || ' messages' AS sentence
          FROM {messages}
         GROUP BY global_position
        HAVING count(*) > 1
        UNION ALL
        SELECT 2, 'position ' || position || ' of stream ' || stream_name || ' is that of ' || count(*) || ' messages'
          FROM {messages}
         GROUP BY stream_name, position
        HAVING count(*) > 1
        UNION ALL
        SELECT 3, 'message id ' || id || ' is that of ' || count(*) || ' messages'
          FROM {messages}
         GROUP BY id
        HAVING count(*) > 1
        UNION ALL
        SELECT 4, 'stream ' || stream_name || ' has ' || count(*) || ' messages at positions ' || min(position)
                  || ' to ' || max(position)
          FROM {messages}
         GROUP BY stream_name
        HAVING count(*) <> max(position) - min(position) + 1
        UNION ALL
        SELECT 5, 'the head of stream ' || last.stream_name || ' is at ' || coalesce(head.position, -1)
                  || ' and its last message at ' || last.position || ': run rebuild-heads'
          FROM (SELECT stream_name, max(position) AS position FROM {messages} GROUP BY stream_name) AS last
          LEFT JOIN {stream_heads} AS head ON head.stream_name = last.stream_name
         WHERE head.position IS NULL OR head.position < last.position
        UNION ALL
        SELECT 6, 'the counter is at ' || counter.global_position || ' and the last message at ' || last.global_position
                  || ': run rebuild-heads'
          FROM {message_counter} AS counter
         CROSS JOIN (SELECT max(global_position) AS global_position FROM {messages}) AS last
         WHERE last.global_position > counter.global_position
        UNION ALL
        SELECT 7, 'message id ' || message.id || ' is kept for global position ' || message_id.global_position
                  || ' and is at ' || message.global_position
          FROM {messages} AS message
          JOIN {message_ids} AS message_id ON message_id.id = message.id
         WHERE message_id.global_position <> message.global_position
       ) AS fault
 ORDER BY rank, sentence
 LIMIT 100
