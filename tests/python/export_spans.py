#!/usr/bin/env python3
"""Makes one trace with the official OpenTelemetry SDK and writes it with the official exporter.

    export_spans.py FILE

FILE gets OTLP/JSON, one ExportTraceServiceRequest on each line. FILE.expected.json gets what the SDK
itself says about each span, read from its ReadableSpan objects and not from the export.
"""

import base64
import json
import logging
import math
import sys
import time

from opentelemetry.exporter.otlp.json.file import FileSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

UNICODE = "naïve 日本語 🦀 \U0010ffff \u202e rtl \t tab \n line \" quote \\ backslash \x7f"

EVERY_TYPE = {
    "str": "text",
    "str.empty": "",
    "str.unicode": UNICODE,
    "str.control": "".join(map(chr, range(1, 32))),
    "bool.true": True,
    "bool.false": False,
    "int.zero": 0,
    "int.beyond_double": 2**53 + 1,
    "int.max": 2**63 - 1,
    "int.min": -(2**63),
    "float": 0.1,
    "float.whole": 1.0,
    "float.zero": 0.0,
    "float.negative_zero": -0.0,
    "float.large": 1e300,
    "float.1e16": 1e16,
    "float.small": 5e-324,
    "float.exact": 0.1 + 0.2,
    "float.nan": math.nan,
    "float.infinity": math.inf,
    "float.negative_infinity": -math.inf,
    "seq.str": ["a", "", UNICODE],
    "seq.bool": [True, False],
    "seq.int": [2**53 + 1, 0, -(2**63)],
    "seq.float": [1.0, -0.0, math.nan],
    "seq.empty": [],
    "seq.mixed": [1, 1.0, "1", True, None, b"1", ["nested", [1]]],
    "bytes": bytes(range(256)),
    "bytes.empty": b"",
    "none": None,
    "map": {"a": 1, "b": {"c": [1.5, {"d": None}]}},
    "map.empty": {},
    "map.like_an_encoding": {"$bytes": "not bytes"},
    UNICODE: "a key in Unicode",
    "a.very.long.text": "x" * 100_000,
}

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
        "cost": 0.0145,
    },
    "LLM by OpenInference": {
        "gen_ai_operation": "LLM",
        "provider": "anthropic",
        "model_name": "claude",
        "input_tokens": 7,
        "output_tokens": 8,
        "conversation_id": "session-1",
    },
    "infer by InferTrace": {
        "model_name": "llama-70b",
        "model_version": "v3",
        "batch_size": 8,
        "input_tokens": 1,
        "output_tokens": 2,
        "gpu_utilization": 91.5,
    },
}


class Clock:
    """Times to the nanosecond, also where this machine's clock is coarser."""

    def __init__(self):
        self.now = time.time_ns() // 1_000 * 1_000

    def __call__(self, step=1_000_007):
        self.now += step
        return self.now


def providers(stream, memory):
    """Two services. The limits are low enough to be reached."""
    limits = SpanLimits(
        max_span_attributes=64,
        max_events=3,
        max_links=3,
        max_event_attributes=64,
        max_link_attributes=2,
    )
    resources = [
        Resource(
            {"service.name": "gateway", "service.version": "1.2.3", "résumé": UNICODE, **EVERY_TYPE},
            schema_url="https://opentelemetry.io/schemas/1.37.0",
        ),
        Resource({"service.name": "model-server"}),
    ]
    for resource in resources:
        provider = TracerProvider(
            resource=resource, span_limits=limits, shutdown_on_exit=False
        )
        provider.add_span_processor(BatchSpanProcessor(FileSpanExporter(stream=stream)))
        provider.add_span_processor(SimpleSpanProcessor(memory))
        yield provider


def make_trace(gateway, model_server):
    clock = Clock()
    tracer = gateway.get_tracer(
        "annals.tests.gateway",
        "0.1",
        schema_url="https://opentelemetry.io/schemas/1.36.0",
        attributes={"scope.attribute": UNICODE, "scope.int": 2**53 + 1},
    )
    plain_tracer = gateway.get_tracer("annals.tests.plain")

    def start(tracer, name, parent, **options):
        context = set_span_in_context(parent) if parent else set_span_in_context(
            NonRecordingSpan(SpanContext(0, 0, is_remote=False))
        )
        return tracer.start_span(name, context=context, start_time=clock(), **options)

    elsewhere = SpanContext(
        trace_id=0xA1B2C3D4E5F60718293A4B5C6D7E8F90,
        span_id=0x0102030405060708,
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    root = start(
        tracer,
        f"GET /{UNICODE}",
        None,
        kind=SpanKind.SERVER,
        attributes=EVERY_TYPE,
        links=[
            Link(elsewhere, {"link.attribute": 2**53 + 1, "link.nan": math.nan}),
            Link(SpanContext(2**128 - 1, 1, is_remote=False), None),
        ],
    )
    root.add_event("everything", EVERY_TYPE, timestamp=clock())
    root.add_event("nothing", timestamp=clock())

    too_much = start(plain_tracer, "too much of everything", root, kind=SpanKind.INTERNAL)
    for i in range(70):
        too_much.set_attribute(f"attribute.{i:02}", i)
    for i in range(5):
        too_much.add_event(f"event {i}", {f"e{j:02}": j for j in range(66)}, timestamp=clock(1))
        too_much.add_link(elsewhere, {f"l{j}": j for j in range(4)})
    too_much.set_status(Status(StatusCode.OK))
    too_much.end(clock())

    failing = start(tracer, "raises", root, kind=SpanKind.PRODUCER)
    try:
        raise ValueError(f"bad value: {UNICODE}")
    except ValueError as error:
        failing.record_exception(error, {"extra": [1, 2]}, timestamp=clock())
        failing.set_status(Status(StatusCode.ERROR, f"failed: {UNICODE}"))
    failing.end(clock())

    chat = start(
        tracer,
        "chat gpt-4o",
        root,
        kind=SpanKind.CLIENT,
        attributes={
            "gen_ai.provider.name": "openai",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.usage.input_tokens": 1200,
            "gen_ai.usage.output_tokens": 350,
            "gen_ai.usage.cache_read.input_tokens": 800,
            "gen_ai.usage.reasoning.output_tokens": 120,
            "gen_ai.response.time_to_first_chunk": 0.25,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.conversation.id": "conversation-1",
            "gen_ai.usage.cost": 0.0145,
        },
    )

    # The other service knows the caller from the wire only.
    caller = chat.get_span_context()
    remote = NonRecordingSpan(
        SpanContext(
            caller.trace_id,
            caller.span_id,
            is_remote=True,
            trace_flags=caller.trace_flags,
            trace_state=TraceState([("vendor", "opaque"), ("other", "1")]),
        )
    )
    tracer = model_server.get_tracer("annals.tests.model")
    infer = start(
        tracer,
        "infer by InferTrace",
        remote,
        kind=SpanKind.SERVER,
        attributes={
            "model_name": "llama-70b",
            "model_version": "v3",
            "batch_size": 8,
            "input_tokens": 1,
            "output_tokens": 2,
            "gpu_utilization_percent": 91.5,
        },
    )
    llm = start(
        tracer,
        "LLM by OpenInference",
        infer,
        kind=SpanKind.CONSUMER,
        attributes={
            "openinference.span.kind": "LLM",
            "llm.provider": "anthropic",
            "llm.model_name": "claude",
            "llm.token_count.prompt": 7,
            "llm.token_count.completion": 8,
            "session.id": "session-1",
        },
    )
    llm.end(clock())
    # Begins and ends at one instant, and one nanosecond after its neighbour.
    instant = clock()
    tracer.start_span("no time", set_span_in_context(infer), start_time=instant).end(instant)
    tracer.start_span("backwards", set_span_in_context(infer), start_time=instant + 1).end(instant - 5)
    infer.end(clock())
    chat.end(clock())
    root.end(clock())


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


def main(path):
    # It says of every attribute beyond a limit that it is dropped, as is meant here.
    logging.getLogger("opentelemetry.attributes").setLevel(logging.ERROR)
    memory = InMemorySpanExporter()
    with open(path, "w", encoding="utf-8") as stream:
        services = list(providers(stream, memory))
        make_trace(*services)
        for provider in services:
            provider.shutdown()
    spans = memory.get_finished_spans()
    said = [said_by_the_sdk(span) for span in spans]
    traces = {span["trace_id"] for span in said}
    assert len(traces) == 1, f"one trace was meant, not {len(traces)}"
    said.sort(key=lambda span: (span["start_time"], span["span_id"]))
    with open(f"{path}.expected.json", "w", encoding="utf-8") as expected:
        json.dump({"trace_id": traces.pop(), "spans": said}, expected, indent=1)
    print(f"{len(said)} spans")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
