SELECT trace.span_count, trace.start_time, trace.start_time_nanos, trace.end_time, trace.end_time_nanos,
       trace.created_at, trace.updated_at, trace.error_count, trace.model_calls, trace.unpriced_calls,
       trace.input_tokens, trace.output_tokens, trace.cost, gone.gone_before, gone.generation
  FROM {traces} AS trace
  LEFT JOIN {trace_cache} AS gone ON true
 WHERE trace.id = $1
