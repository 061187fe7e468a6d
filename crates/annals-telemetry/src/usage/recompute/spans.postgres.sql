UPDATE {spans} AS span
SET cost = new.cost, cost_source = new.cost_source
FROM UNNEST($1::text[], $2::text[], $3::timestamptz[], $4::double precision[], $5::text[])
    AS new (trace_id, span_id, start_time, cost, cost_source)
WHERE span.trace_id = new.trace_id AND span.span_id = new.span_id AND span.start_time = new.start_time
    AND span.start_time >= $6 AND span.start_time <= $7
