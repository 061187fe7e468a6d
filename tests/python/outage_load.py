#!/usr/bin/env python3
"""Load of the official OpenTelemetry SDK while a database comes and goes.

    outage_load.py OTLP_GRPC OTLP_HTTP IDS

Makes spans without a pause and exports them by gRPC and by HTTP. Prints a line once every exporter has
delivered something. When standard input ends it makes no more, delivers the rest, writes the id of every
span that it made to the file IDS, one on a line, and prints as JSON what the SDK said.
"""

import collections
import json
import logging
import re
import sys
import threading
import time

import requests
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

# The SDK tries again for as long as this, or six times.
TIMEOUT = 90

# Spans that a thread makes in a second, and threads for each exporter.
RATE = 200
THREADS = 2

# How long the rest may take.
PATIENCE = 90


class Seen(logging.Handler):
    """What the SDK says about its troubles."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.codes = collections.Counter()
        self.queue_full = 0
        # The SDK keeps its repeated complaints to itself; here each of them counts.
        logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter").filters.clear()
        logging.getLogger().addHandler(self)

    def emit(self, record):
        message = record.getMessage()
        print(f"{time.monotonic():.1f} {message}", file=sys.stderr, flush=True)
        if code := re.search(r"StatusCode\.(\w+)", message):
            self.codes[code[1]] += 1
        if "Queue full" in message:
            self.queue_full += 1

    def answer(self, response, *_, **__):
        if response.status_code != 200:
            self.codes[str(response.status_code)] += 1


class Persistent(SpanExporter):
    """Hands a batch to the SDK's exporter again when that gives it up.

    The SDK's exporters try six times, whatever their timeout is: by gRPC with doubling pauses, 25 to
    37 s in all, by HTTP with the pauses that Retry-After says, so five of 3 s are over after 15 s. A batch
    that is given up is lost by the client, and then nothing could be said about the server.
    """

    def __init__(self, exporter):
        self.exporter = exporter
        self.delivered = 0
        self.given_up = 0
        self.deadline = float("inf")

    def export(self, spans):
        while time.monotonic() < self.deadline:
            if self.exporter.export(spans) is SpanExportResult.SUCCESS:
                self.delivered += len(spans)
                return SpanExportResult.SUCCESS
            self.given_up += 1
        return SpanExportResult.FAILURE

    def shutdown(self):
        self.exporter.shutdown()


class Load(threading.Thread):
    """A service that makes spans and exports them by one exporter of its own."""

    def __init__(self, exporter, stop):
        # A thread that waits for a server that never answers does not keep the program alive.
        super().__init__(daemon=True)
        self.exporter, self.stop, self.ids = Persistent(exporter), stop, []
        self.provider = TracerProvider(
            resource=Resource({"service.name": "load"}), shutdown_on_exit=False
        )
        # Room for everything that is made while nothing can be delivered.
        self.provider.add_span_processor(
            BatchSpanProcessor(
                self.exporter,
                max_queue_size=100 * RATE * 10,
                max_export_batch_size=512,
                schedule_delay_millis=100,
            )
        )

    def run(self):
        tracer = self.provider.get_tracer("annals.tests.load")
        begun = time.monotonic()
        while not self.stop.is_set():
            with tracer.start_as_current_span("request") as root:
                with tracer.start_as_current_span("query", attributes={"number": len(self.ids)}) as inner:
                    self.ids += [root.get_span_context().span_id, inner.get_span_context().span_id]
            self.stop.wait(begun + len(self.ids) / RATE - time.monotonic())
        self.exporter.deadline = time.monotonic() + PATIENCE
        self.provider.force_flush()
        self.provider.shutdown()


def main(otlp_grpc, otlp_http, ids):
    seen, stop = Seen(), threading.Event()
    session = requests.Session()
    session.hooks["response"].append(seen.answer)
    loads = [
        Load(exporter, stop)
        for _ in range(THREADS)
        for exporter in [
            GrpcExporter(f"http://{otlp_grpc}", insecure=True, timeout=TIMEOUT),
            HttpExporter(f"http://{otlp_http}/v1/traces", timeout=TIMEOUT, session=session),
        ]
    ]
    for load in loads:
        load.start()
    give_up = time.monotonic() + PATIENCE
    while not all(load.exporter.delivered for load in loads):
        if time.monotonic() > give_up:
            sys.exit("an exporter delivers nothing")
        time.sleep(0.05)
    print("every exporter has delivered", flush=True)
    sys.stdin.read()
    stop.set()
    for load in loads:
        load.join()
    with open(ids, "w", encoding="utf-8") as file:
        file.writelines(f"{span:016x}\n" for load in loads for span in load.ids)
    given_up = collections.Counter()
    for load in loads:
        road = "gRPC" if isinstance(load.exporter.exporter, GrpcExporter) else "HTTP"
        given_up[road] += load.exporter.given_up
    summary = {
        "made": sum(len(load.ids) for load in loads),
        "delivered": sum(load.exporter.delivered for load in loads),
        # Batches that are lost where nobody hands them over again, as Persistent does.
        "given_up": given_up,
        "queue_full": seen.queue_full,
        "codes": seen.codes,
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
