-- Rows that are locked, if they are still within the times $2 to $3 and no span of theirs is there.
DELETE FROM {traces} AS trace
 WHERE trace.id = ANY($1)
   AND trace.start_time >= $2
   AND coalesce(trace.end_time, trace.start_time) <= $3
   AND NOT EXISTS (
        SELECT FROM {spans} AS span
         WHERE span.trace_id = trace.trace_id
           AND span.start_time >= $2
           AND span.start_time <= $3
       )
