#!/usr/bin/env bash
# Sends traces of the official OpenTelemetry SDK for JavaScript to a running server with each official
# exporter, reads them back, and compares every field of every span.
#
#   tests/javascript/run.sh HTTP OTLP_GRPC OTLP_HTTP
#
# Each is an address such as 127.0.0.1:8080. Needs Node.js 18.19 or newer with npm, python3 for the
# comparison, which is that of the Python SDK, and, the first time, the npm registry.
set -euo pipefail

fail() { echo "tests/javascript: $*" >&2; exit 1; }

[[ $# -eq 3 ]] || fail "run.sh HTTP OTLP_GRPC OTLP_HTTP"

here=$(realpath -- "$(dirname "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONDONTWRITEBYTECODE=1
for road in grpc proto proto-gzip json json-gzip; do
    "$here/node.sh" send_spans.js "$road" "$2" "$3" "$work/expected.json" ||
        fail "$road: the export failed"
    same=$(python3 "$here/../python/compare.py" "$work/expected.json" "http://$1") || fail "$road: they differ"
    echo "$road: $same"
done
