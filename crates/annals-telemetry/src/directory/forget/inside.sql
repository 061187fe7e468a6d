-- Rows that lie wholly in a range that is empty, unless spans came into it since. The range's ends stand beside the
-- trace's id, so that only chunks of the range are looked into, and those are gone.
SELECT trace.id, trace.start_time, coalesce(trace.end_time, trace.start_time)
  FROM {traces} AS trace
 WHERE trace.start_time >= $1
   AND trace.start_time < $2
   AND coalesce(trace.end_time, trace.start_time) < $2
   AND NOT EXISTS (
        SELECT 1 FROM {spans} AS span
         WHERE span.trace_id = trace.trace_id
           AND span.start_time >= $1
           AND span.start_time < $2
       )
 LIMIT $3
