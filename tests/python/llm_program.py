#!/usr/bin/env python3
"""Calls models as programs do, with one of the libraries that instrument such calls, and sends spans by
OTLP/HTTP.

    llm_program.py LIBRARY MODEL_SERVER OTLP_HTTP

LIBRARY is openai-v2, openinference, openllmetry or langfuse. Each call has a trace of its own. Prints a JSON
object of their ids by what was called.
"""

import contextlib
import json
import sys

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

QUESTION = [{"role": "user", "content": "How is the weather in Bergen?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@contextlib.contextmanager
def nobody():
    yield


def openai_v2(provider, _):
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
    return nobody


def openinference(provider, _):
    from openinference.instrumentation import using_attributes
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
    AnthropicInstrumentor().instrument(tracer_provider=provider)
    return lambda: using_attributes(session_id="conversation-1", user_id="user-1")


def openllmetry(provider, _):
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
    AnthropicInstrumentor().instrument(tracer_provider=provider)
    return nobody


def langfuse(provider, exporter):
    from langfuse import Langfuse, propagate_attributes

    Langfuse(
        public_key="pk-lf-none",
        secret_key="sk-lf-none",
        tracer_provider=provider,
        span_exporter=exporter,
        flush_at=1,
        should_export_span=lambda _: True,  # the roots too, which are not its own
    )
    return lambda: propagate_attributes(session_id="conversation-1", user_id="user-1")


LIBRARIES = {
    "openai-v2": openai_v2,
    "openinference": openinference,
    "openllmetry": openllmetry,
    "langfuse": langfuse,
}


def main(library, model_server, otlp_http):
    provider = TracerProvider(resource=Resource({"service.name": library}))
    exporter = OTLPSpanExporter(f"http://{otlp_http}/v1/traces")
    as_somebody = LIBRARIES[library](provider, exporter)
    if library != "langfuse":  # which sends spans by itself
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("the program")
    traces = {}

    @contextlib.contextmanager
    def case(name):
        with tracer.start_as_current_span(name) as span, as_somebody():
            traces[name] = f"{span.context.trace_id:032x}"
            yield

    ask_openai(library, model_server, case)
    if library in ("openinference", "openllmetry"):
        ask_anthropic(model_server, case)
    if library == "langfuse":
        tell_langfuse(case)
    provider.force_flush()
    provider.shutdown()
    print(json.dumps(traces))


def ask_openai(library, model_server, case):
    if library == "langfuse":
        # Its integration is a client that stands for the other.
        from langfuse.openai import openai
    else:
        import openai

    client = openai.OpenAI(api_key="none", base_url=f"{model_server}/v1", max_retries=0)
    chat = client.chat.completions
    with case("plain"):
        chat.create(model="gpt-4o-mini", messages=QUESTION)
    with case("cached"):
        chat.create(model="gpt-4o", messages=QUESTION)
    with case("streamed"):
        usage = {"include_usage": True}
        stream = chat.create(
            model="gpt-4o-mini", messages=QUESTION, stream=True, stream_options=usage
        )
        for _ in stream:
            pass
    with case("tool"):
        chat.create(model="gpt-4o-mini", messages=QUESTION, tools=[WEATHER])
    with case("embedding"):
        client.embeddings.create(model="text-embedding-3-small", input="Bergen")
    with case("refused"):
        try:
            chat.create(model="no-such-model", messages=QUESTION)
        except openai.BadRequestError:
            pass


def ask_anthropic(model_server, case):
    import anthropic

    client = anthropic.Anthropic(api_key="none", base_url=model_server, max_retries=0)
    asked = {"model": "claude-sonnet-4-5", "max_tokens": 99, "messages": QUESTION}
    with case("claude"):
        client.messages.create(**asked)
    with case("claude streamed"):
        for _ in client.messages.create(**asked, stream=True):
            pass


def tell_langfuse(case):
    from langfuse import get_client

    observe = get_client().start_as_current_observation
    with case("claude"):
        # As Langfuse wants it: kinds of tokens beside each other.
        usage = {
            "input": 300,
            "output": 350,
            "cache_read_input_tokens": 800,
            "cache_creation_input_tokens": 100,
        }
        model = "claude-sonnet-4-5-20250929"
        with observe(as_type="generation", name="ask", model=model, usage_details=usage):
            pass
    with case("priced"):
        cost = {"input": 0.25, "output": 0.5}
        usage = {"input": 10, "output": 20}
        with observe(
            as_type="generation", name="ask", model="ours", usage_details=usage, cost_details=cost
        ):
            pass
    with case("agent"), observe(as_type="agent", name="planner"):
        with observe(as_type="tool", name="weather"):
            pass


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
