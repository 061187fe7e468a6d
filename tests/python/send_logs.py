#!/usr/bin/env python3
"""Sends logs of Python's logging by the official OpenTelemetry SDK to a running server, in spans and outside of them, by
each official exporter, reads them back by GET /logs while another reader follows GET /logs/follow, and compares.

    send_logs.py HTTP OTLP_GRPC OTLP_HTTP

Each is an address such as 127.0.0.1:8080. Exits 1 with the first difference.
"""

import json
import logging
import sys
import threading
import urllib.parse
import urllib.request
import warnings

import grpc
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

# The handler works, and moves to another package.
warnings.simplefilter("ignore", DeprecationWarning)

# By logging's levels: what the SDK calls them, and the words of this server.
LEVELS = [
    (logging.DEBUG, 5, "debug"),
    (logging.INFO, 9, "info"),
    (logging.WARNING, 13, "warn"),
    (logging.ERROR, 17, "error"),
    (logging.CRITICAL, 21, "fatal"),
]
BODIES = {
    "map": ({"order": 7, "items": ["a", 2.5, None, {"deep": True}]},) * 2,
    "list": ([1, "two", False],) * 2,
    "int": (2**62,) * 2,
    "float": (1.0,) * 2,
    "bytes": (b"\x00\xff", {"$bytes": "AP8="}),
}


def roads(otlp_grpc, otlp_http):
    by_grpc, by_http = f"http://{otlp_grpc}", f"http://{otlp_http}/v1/logs"
    return {
        "gRPC": lambda: GrpcExporter(by_grpc, insecure=True),
        "gRPC, gzip": lambda: GrpcExporter(by_grpc, insecure=True, compression=grpc.Compression.Gzip),
        "HTTP": lambda: HttpExporter(by_http),
        "HTTP, gzip": lambda: HttpExporter(by_http, compression=Compression.Gzip),
    }


class Follower(threading.Thread):
    """Reads GET /logs/follow as a browser would, until it has seen so many records."""

    def __init__(self, http, service, wanted):
        super().__init__(daemon=True)
        query = urllib.parse.urlencode({"service": service})
        self.answer = urllib.request.urlopen(f"http://{http}/logs/follow?{query}", timeout=60)
        # Where it begins, which comes at once: from here on nothing is missed.
        assert self.answer.readline().startswith(b"id: ") and self.answer.readline() == b"\n"
        self.seen, self.wanted = [], wanted

    def run(self):
        while len(self.seen) < self.wanted:
            line = self.answer.readline()
            if line.startswith(b"data: "):
                self.seen += json.loads(line[len(b"data: ") :])


def say(exporter, service, otlp_grpc):
    """Says everything; gives the trace and the span in which the half of it was said."""
    resource = Resource({"service.name": service, "host.name": "a"})
    provider = LoggerProvider(resource=resource)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(
        SimpleSpanProcessor(OTLPSpanExporter(f"http://{otlp_grpc}", insecure=True))
    )
    logger = logging.getLogger(f"shop.{service}")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.handlers = [LoggingHandler(logger_provider=provider)]
    for level, _, word in LEVELS:
        logger.log(level, "outside %s, 100%% naïve 🦀", word, extra={"user.id": 7, "ok": True})
    with tracers.get_tracer("tests").start_as_current_span("work") as span:
        context = span.get_span_context()
        for level, _, word in LEVELS:
            logger.log(level, "inside %s", word)
        try:
            raise ValueError("no such order")
        except ValueError:
            logger.exception("it failed")
        events = provider.get_logger("events", "1.2", schema_url="https://example.com/schema")
        for name, (body, _) in BODIES.items():
            events.emit(
                LogRecord(
                    timestamp=1_700_000_000_000_000_001,
                    severity_number=SeverityNumber.INFO2,
                    body=body,
                    event_name=f"event.{name}",
                )
            )
    assert provider.force_flush()
    provider.shutdown()
    tracers.shutdown()
    return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)


class Server:
    def __init__(self, http, service):
        self.http, self.service = http, service
        self.compared = 0

    def get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters, doseq=True)
        with urllib.request.urlopen(f"http://{self.http}{path}?{query}", timeout=20) as answer:
            return json.load(answer)

    def logs(self, **parameters):
        return self.get("/logs", service=self.service, **parameters)

    def same(self, what, found, expected):
        if found != expected or type(found) is not type(expected):
            sys.exit(f"{self.service}: {what} is {found!r}, not {expected!r}")
        self.compared += 1


def compare(server, trace_id, span_id, followed):
    logs = server.logs(since="2020-01-01T00:00:00Z", order="oldest", limit=1000)
    by_body = {log["body"]: log for log in logs}
    server.same("records", len(logs), len(LEVELS) * 2 + 1 + len(BODIES))
    ids = sorted(log["id"] for log in logs)
    server.same("what was followed", sorted(log["id"] for log in followed), ids)
    for _, number, word in LEVELS:
        outside = by_body[f"outside {word}, 100% naïve 🦀"]
        inside = by_body[f"inside {word}"]
        for log in (outside, inside):
            server.same("severity_number", log["severity_number"], number)
            server.same("severity", log["severity"], word)
            server.same("scope", log["scope_name"], f"shop.{server.service}")
            server.same("resource", log["resource_attributes"]["host.name"], "a")
            server.same("observed", "observed_timestamp" in log, True)
        server.same("attributes", outside["attributes"]["user.id"], 7)
        server.same("attributes", outside["attributes"]["ok"], True)
        server.same("trace outside", outside.get("trace_id"), None)
        server.same("trace", inside["trace_id"], trace_id)
        server.same("span", inside["span_id"], span_id)
        server.same("flags", inside["trace_flags"] & 1, 1)
    failed = by_body["it failed"]
    server.same("exception", failed["attributes"]["exception.type"], "ValueError")
    server.same("exception", failed["attributes"]["exception.message"], "no such order")
    for name, (_, stored) in BODIES.items():
        (event,) = server.logs(event=f"event.{name}", since="2020-01-01T00:00:00Z")
        server.same(f"body of {name}", event["body_json"], stored)
        server.same("its text", json.loads(event["body"]), stored)
        server.same("time", event["timestamp"], "2023-11-14T22:13:20.000000001Z")
        server.same("severity_number", event["severity_number"], 10)
        server.same("version", event["scope_version"], "1.2")
        server.same("schema", event["scope_schema_url"], "https://example.com/schema")
        server.same("trace", event["trace_id"], trace_id)
    in_trace = len(LEVELS) + 1 + len(BODIES)
    server.same("records of the trace", len(server.logs(trace=trace_id)), in_trace)
    server.same("errors", len(server.logs(severity="error")), 5)
    server.same("text", len(server.logs(text="NAÏVE 🦀".replace("Ï", "ï"))), len(LEVELS))
    server.same("attribute", len(server.logs(attribute=["user.id=7", "ok=true"])), len(LEVELS))
    spans = server.get(f"/traces/{trace_id}")["spans"]
    server.same("span of the trace", [span["span_id"] for span in spans], [span_id])


def main():
    http, otlp_grpc, otlp_http = sys.argv[1:]
    for number, (road, exporter) in enumerate(roads(otlp_grpc, otlp_http).items()):
        service = f"logs-{number}"
        follower = Follower(http, service, len(LEVELS) * 2 + 1 + len(BODIES))
        follower.start()
        trace_id, span_id = say(exporter(), service, otlp_grpc)
        follower.join(60)
        server = Server(http, service)
        compare(server, trace_id, span_id, follower.seen)
        print(f"{road}: 16 log records, {server.compared} answers are the same")


if __name__ == "__main__":
    main()
