-- Rows that began before a range that is empty and ended in it: what they had before it may be gone as well.
SELECT trace.id, trace.start_time, trace.end_time
  FROM {traces} AS trace
 WHERE trace.start_time < $1
   AND trace.end_time >= $1
   AND trace.end_time < $2
   AND trace.id > $4
 ORDER BY trace.id
 LIMIT $3
