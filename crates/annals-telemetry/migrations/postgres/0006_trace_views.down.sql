DROP VIEW trace_events;
DROP VIEW trace_spans;
DROP FUNCTION trace_events_insert();
DROP FUNCTION trace_spans_insert();
DROP FUNCTION trace_event_id(UUID, BIGINT);
DROP FUNCTION trace_span_id(UUID, TEXT);
