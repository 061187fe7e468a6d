#!/usr/bin/env python3
"""Sends traces of the official OpenTelemetry SDK to a running server with each official exporter, reads
them back by GET /traces/ID, and compares every field of every span.

    send_spans.py HTTP OTLP_GRPC OTLP_HTTP

Each is an address such as 127.0.0.1:8080. Exits 1 with the first difference.
"""

import os
import sys
import tempfile

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

import compare
from said_by_sdk import write_expected
from trace_of_everything import export_trace


def roads(otlp_grpc, otlp_http):
    by_grpc, by_http = f"http://{otlp_grpc}", f"http://{otlp_http}/v1/traces"
    return {
        "gRPC": lambda: GrpcExporter(by_grpc, insecure=True),
        "gRPC, gzip": lambda: GrpcExporter(by_grpc, insecure=True, compression=grpc.Compression.Gzip),
        "HTTP": lambda: HttpExporter(by_http),
        "HTTP, gzip": lambda: HttpExporter(by_http, compression=Compression.Gzip),
    }


def main(http, otlp_grpc, otlp_http):
    with tempfile.TemporaryDirectory() as directory:
        expected = os.path.join(directory, "expected.json")
        for road, exporter in roads(otlp_grpc, otlp_http).items():
            write_expected(export_trace(exporter), expected)
            print(f"{road}: ", end="", flush=True)
            # Every road is compared alike, so it is enough to doubt the comparison once.
            compare.main(expected, f"http://{http}", thoroughly=road == "gRPC")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
