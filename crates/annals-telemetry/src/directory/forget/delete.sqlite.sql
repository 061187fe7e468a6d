DELETE FROM {traces} AS trace
 WHERE trace.id = $1
   AND trace.start_time >= $2
   AND coalesce(trace.end_time, trace.start_time) <= $3
   AND NOT EXISTS (
        SELECT 1 FROM {spans} AS span
         WHERE span.trace_id = trace.trace_id
           AND span.start_time >= $2
           AND span.start_time <= $3
       )
