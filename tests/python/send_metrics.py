#!/usr/bin/env python3
"""Sends metrics of the official OpenTelemetry SDK, of every instrument it has, to a running server by each official
exporter and with both temporalities, reads them back by GET /metrics-data, and compares what they say.

    send_metrics.py HTTP OTLP_GRPC OTLP_HTTP

Each is an address such as 127.0.0.1:8080. Exits 1 with the first difference.
"""

import json
import math
import sys
import urllib.parse
import urllib.request

import grpc
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import (
    AlwaysOnExemplarFilter,
    Counter,
    Histogram,
    MeterProvider,
    ObservableCounter,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

COUNTING = (Counter, UpDownCounter, Histogram, ObservableCounter, ObservableUpDownCounter)
WAITS = [0.5, 3.0, 7.0, 80.0, 20_000.0]
SIZES = [0.0, 1.0, 1.5, 1000.0, 3.25]


def roads(otlp_grpc, otlp_http):
    by_grpc, by_http = f"http://{otlp_grpc}", f"http://{otlp_http}/v1/metrics"
    return {
        "gRPC": lambda **kw: GrpcExporter(by_grpc, insecure=True, **kw),
        "gRPC, gzip": lambda **kw: GrpcExporter(
            by_grpc, insecure=True, compression=grpc.Compression.Gzip, **kw
        ),
        "HTTP": lambda **kw: HttpExporter(by_http, **kw),
        "HTTP, gzip": lambda **kw: HttpExporter(by_http, compression=Compression.Gzip, **kw),
    }


def measure(exporter, service):
    """Measures with every instrument, and exports twice; gives the id of the trace in which it was measured."""
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)
    provider = MeterProvider(
        metric_readers=[reader],
        resource=Resource({"service.name": service, "host.name": "a"}),
        exemplar_filter=AlwaysOnExemplarFilter(),
        views=[View(instrument_name="sizes", aggregation=ExponentialBucketHistogramAggregation())],
    )
    meter = provider.get_meter("tests", "1.2", schema_url="https://example.com/schema")
    counter = meter.create_counter("requests", "{request}", "Requests that came")
    up_down = meter.create_up_down_counter("queue", "1")
    waits = meter.create_histogram("waits", "ms")
    sizes = meter.create_histogram("sizes", "By")
    gauge = meter.create_gauge("load", "1")
    big = 2**60

    def observed(value):
        return [lambda _: [Observation(value, {"core": 0})]]

    meter.create_observable_counter("bytes", observed(big + 1), "By")
    meter.create_observable_up_down_counter("threads", observed(-3), "1")
    meter.create_observable_gauge("heat", observed(36.6), "Cel")
    tracer = TracerProvider().get_tracer("tests")
    with tracer.start_as_current_span("measuring") as span:
        for _ in range(2):
            counter.add(5, {"code": 200, "ok": True})
            counter.add(1, {"code": 500, "ok": False})
            up_down.add(7)
            up_down.add(-4)
            gauge.set(0.25, {"core": 0})
            for wait in WAITS:
                waits.record(wait)
            for size in SIZES:
                sizes.record(size)
            assert provider.force_flush()
        trace_id = trace.format_trace_id(span.get_span_context().trace_id)
    provider.shutdown()
    return trace_id


class Server:
    def __init__(self, http, service):
        self.http, self.service = http, service
        self.compared = 0

    def get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters, doseq=True)
        with urllib.request.urlopen(f"http://{self.http}{path}?{query}", timeout=20) as answer:
            return json.load(answer)

    def points(self, name, **parameters):
        return self.get(f"/metrics-data/{name}", service=self.service, **parameters)

    def same(self, what, found, expected):
        if found != expected:
            sys.exit(f"{self.service}: {what} is {found!r}, not {expected!r}")
        self.compared += 1

    def latest(self, name, **parameters):
        series = self.points(name, latest="true", **parameters)
        self.same(f"series of {name}", len(series), 1)
        return series[0], series[0]["points"][0]

    def value(self, name, aggregate, **parameters):
        groups = self.points(name, aggregate=aggregate, **parameters)
        self.same(f"groups of {name}", len(groups), 1)
        return groups[0]["buckets"][0]["value"]


def compare(server, is_delta, trace_id):
    same = server.same
    listed = {metric["name"]: metric for metric in server.get("/metrics-data", service=server.service)}
    kinds = {
        "requests": ("sum", True, "{request}"),
        "queue": ("sum", False, "1"),
        "waits": ("histogram", False, "ms"),
        "sizes": ("exponential_histogram", False, "By"),
        "load": ("gauge", False, "1"),
        "bytes": ("sum", True, "By"),
        "threads": ("sum", False, "1"),
        "heat": ("gauge", False, "Cel"),
    }
    same("the list", sorted(listed), sorted(kinds))
    for name, (kind, is_monotonic, unit) in kinds.items():
        metric = listed[name]
        temporality = "delta" if is_delta else "cumulative"
        same(f"type of {name}", metric["metric_type"], kind)
        same(f"unit of {name}", metric["unit"], unit)
        same(f"monotonic of {name}", metric["is_monotonic"], is_monotonic)
        same(f"temporality of {name}", metric["temporality"], "unspecified" if kind == "gauge" else temporality)
        same(f"scope of {name}", (metric["scope_name"], metric["scope_version"]), ("tests", "1.2"))
        same(f"schema of {name}", metric["scope_schema_url"], "https://example.com/schema")
        same(f"host of {name}", metric["resource_attributes"]["host.name"], "a")
    same("description", listed["requests"]["description"], "Requests that came")

    times = 1 if is_delta else 2
    good = {"attribute": ["code=200", "ok=true"]}
    series, point = server.latest("requests", **good)
    same("attributes", series["attributes"], {"code": 200, "ok": True})
    same("requests", point["value"], 5 * times)
    exemplar = point["exemplars"][-1]
    same("trace of the exemplar", exemplar["trace_id"], trace_id)
    same("value of the exemplar", exemplar.get("value_int", exemplar.get("value")), 5)
    same("requests in all", server.value("requests", "sum", group_by="none"), 12)
    same("queue", server.latest("queue")[1]["value"], 3 * times)
    same("load", server.latest("load")[1]["value"], 0.25)
    same("heat", server.latest("heat")[1]["value"], 36.6)
    # A delta of what did not change is nothing, or no point at all.
    if not is_delta:
        same("bytes", server.latest("bytes")[1]["value"], 2**60 + 1)
        same("threads", server.latest("threads")[1]["value"], -3)

    waits = server.latest("waits")[1]
    same("counted waits", waits["count"], len(WAITS) * times)
    same("sum of waits", waits["sum"], sum(WAITS) * times)
    same("extremes of waits", (waits["min"], waits["max"]), (min(WAITS), max(WAITS)))
    same("waits in buckets", sum(waits["buckets"]["counts"]), len(WAITS) * times)
    same("all waits", server.value("waits", "count"), len(WAITS) * 2)
    same("mean of waits", server.value("waits", "avg"), sum(WAITS) / len(WAITS))
    middle = server.value("waits", "p50")
    same("middle of waits", 5.0 <= middle <= 10.0, True)

    sizes = server.latest("sizes")[1]
    same("counted sizes", sizes["count"], len(SIZES) * times)
    same("sizes of zero", sizes["zero_count"], times)
    same("sum of sizes", sizes["sum"], sum(SIZES) * times)
    for part, exact in (("p50", 1.5), ("p80", 3.25), ("p100", 1000.0)):
        found = server.value("sizes", part)
        same(f"{part} of sizes", abs(found / exact - 1) < 0.05, True)


def main(http, otlp_grpc, otlp_http):
    for road, exporter in roads(otlp_grpc, otlp_http).items():
        for is_delta in (False, True):
            delta = {kind: AggregationTemporality.DELTA for kind in COUNTING}
            options = {"preferred_temporality": delta} if is_delta else {}
            name = f"{road}, {'delta' if is_delta else 'cumulative'}"
            server = Server(http, name)
            trace_id = measure(exporter(**options), name)
            compare(server, is_delta, trace_id)
            print(f"{name}: 8 metrics, {server.compared} answers are the same", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
