"""One trace of the official OpenTelemetry SDK, with everything in it that a span can have.

Whichever way it is exported, what is read back has to be equal to it.
"""

import logging
import math
import time

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

class Clock:
    """Times to the nanosecond, also where this machine's clock is coarser."""

    def __init__(self):
        self.now = time.time_ns() // 1_000 * 1_000

    def __call__(self, step=1_000_007):
        self.now += step
        return self.now


def providers(exporter, memory):
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
        provider.add_span_processor(BatchSpanProcessor(exporter()))
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


def export_trace(exporter):
    """Makes the trace, exports it with an exporter for each service, and gives its ReadableSpans."""
    # It says of every attribute beyond a limit that it is dropped, as is meant here.
    logging.getLogger("opentelemetry.attributes").setLevel(logging.ERROR)
    memory = InMemorySpanExporter()
    services = list(providers(exporter, memory))
    make_trace(*services)
    for provider in services:
        provider.shutdown()
    return memory.get_finished_spans()
