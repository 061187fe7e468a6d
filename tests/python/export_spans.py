#!/usr/bin/env python3
"""Makes one trace with the official OpenTelemetry SDK and writes it with the official file exporter.

    export_spans.py FILE

FILE gets OTLP/JSON, one ExportTraceServiceRequest on each line. FILE.expected.json gets what the SDK
itself says about each span.
"""

import sys

from opentelemetry.exporter.otlp.json.file import FileSpanExporter

from said_by_sdk import write_expected
from trace_of_everything import export_trace


def main(path):
    with open(path, "w", encoding="utf-8") as stream:
        spans = export_trace(lambda: FileSpanExporter(stream=stream))
    write_expected(spans, f"{path}.expected.json")
    print(f"{len(spans)} spans")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
