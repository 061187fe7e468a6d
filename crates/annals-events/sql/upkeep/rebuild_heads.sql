INSERT INTO {stream_heads} AS head (stream_name, category, position, global_position, time)
SELECT last.stream_name, last.category, last.position, last.global_position, last.time
  FROM (
        SELECT stream_name, category, position, global_position, time,
               row_number() OVER (PARTITION BY stream_name ORDER BY position DESC, global_position DESC) AS place
          FROM {messages}
       ) AS last
 WHERE last.place = 1
ON CONFLICT (stream_name) DO UPDATE
   SET position = excluded.position,
       global_position = excluded.global_position,
       time = excluded.time
 WHERE excluded.position > head.position
