DROP VIEW {trace_events};
DROP VIEW {trace_spans};
