UPDATE {message_counter} AS counter
   SET global_position = greatest(counter.global_position, last.global_position),
       "time" = greatest(counter."time", last."time"),
       turn = gen_random_uuid()
  FROM (SELECT max(global_position) AS global_position, max("time") AS "time" FROM {messages}) AS last
RETURNING counter.global_position
