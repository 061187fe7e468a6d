"""What the SDK itself says about spans, read from its ReadableSpan objects and not from an export."""

import base64
import json

# What each span's attributes are to become in columns of their own; all others are absent.
PROMOTED = {
    "chat gpt-4o": {
        "provider": "openai",
        "gen_ai_operation": "chat",
        "request_model": "gpt-4o",
        "response_model": "gpt-4o-2024-08-06",
        "model_name": "gpt-4o-2024-08-06",
        "input_tokens": 1200,
        "output_tokens": 350,
        "cached_tokens": 800,
        "reasoning_tokens": 120,
        "time_to_first_token_nanos": 250_000_000,
        "conversation_id": "conversation-1",
        "token_convention": "included",
        "finish_reason": "stop",
        "cost": 0.0145,
        "cost_source": "reported",
    },
    "LLM by OpenInference": {
        "gen_ai_operation": "chat",
        "provider": "anthropic",
        "model_name": "claude",
        "input_tokens": 7,
        "output_tokens": 8,
        "token_convention": "included",
        "conversation_id": "session-1",
    },
    "infer by InferTrace": {
        "model_name": "llama-70b",
        "model_version": "v3",
        "batch_size": 8,
        "input_tokens": 1,
        "output_tokens": 2,
        "token_convention": "included",
        "gpu_utilization": 91.5,
    },
}


def typed(value):
    """A value with its type, since JSON cannot tell all of them apart."""
    if value is None:
        return {"type": "none"}
    if isinstance(value, bool):
        return {"type": "bool", "value": value}
    if isinstance(value, int):
        return {"type": "int", "value": str(value)}
    if isinstance(value, float):
        return {"type": "double", "value": repr(value)}
    if isinstance(value, str):
        return {"type": "string", "value": value}
    if isinstance(value, bytes):
        return {"type": "bytes", "value": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return {"type": "array", "value": [typed(item) for item in value]}
    return {"type": "map", "value": {key: typed(item) for key, item in value.items()}}


def attributes(values):
    return {key: typed(value) for key, value in (values or {}).items()}


def flags(context):
    """The bits that OTLP defines above the W3C flags. The exporters send no W3C flags."""
    return 0x100 | (0x200 if context is not None and context.is_remote else 0)


def said_by_the_sdk(span):
    context, scope = span.context, span.instrumentation_scope
    return {
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "parent_span_id": f"{span.parent.span_id:016x}" if span.parent else None,
        "trace_state": context.trace_state.to_header(),
        "flags": flags(span.parent),
        "name": span.name,
        "kind": span.kind.name,
        "start_time": span.start_time,
        "end_time": span.end_time,
        "status": {"code": span.status.status_code.name, "message": span.status.description},
        "attributes": attributes(span.attributes),
        "dropped_attributes": span.dropped_attributes,
        "events": [
            {
                "time": event.timestamp,
                "name": event.name,
                "attributes": attributes(event.attributes),
                "dropped_attributes": event.dropped_attributes,
            }
            for event in span.events
        ],
        "dropped_events": span.dropped_events,
        "links": [
            {
                "trace_id": f"{link.context.trace_id:032x}",
                "span_id": f"{link.context.span_id:016x}",
                # No official Python exporter sends a link's trace state.
                "trace_state": "",
                "flags": flags(link.context),
                "attributes": attributes(link.attributes),
                "dropped_attributes": link.dropped_attributes,
            }
            for link in span.links
        ],
        "dropped_links": span.dropped_links,
        "resource": {
            "attributes": attributes(span.resource.attributes),
            "schema_url": span.resource.schema_url,
        },
        "scope": {
            "name": scope.name,
            "version": scope.version,
            "schema_url": scope.schema_url,
            "attributes": attributes(scope.attributes),
        },
        "promoted": PROMOTED.get(span.name, {}),
    }


def write_expected(spans, path):
    """Writes what compare.py reads, and gives the trace's id."""
    said = [said_by_the_sdk(span) for span in spans]
    traces = {span["trace_id"] for span in said}
    assert len(traces) == 1, f"one trace was meant, not {len(traces)}"
    said.sort(key=lambda span: (span["start_time"], span["span_id"]))
    trace = traces.pop()
    with open(path, "w", encoding="utf-8") as expected:
        json.dump({"trace_id": trace, "spans": said}, expected, indent=1)
    return trace
