#!/usr/bin/env bash
# A trace of the official OpenTelemetry SDK for Python goes into a database and comes out again, and
# every field of every span has to be the same.
#
#   tests/python/run.sh BINARY [DATABASE_URL]
#
# BINARY is the program `annals`. DATABASE_URL may stand in the environment instead. The database is
# migrated, and may have other traces in it. Needs python3 with venv and, the first time, PyPI.
set -euo pipefail

fail() { echo "tests/python: $*" >&2; exit 1; }
say() { echo "tests/python: $*"; }

[[ $# -ge 1 && $# -le 2 ]] || fail "run.sh BINARY [DATABASE_URL]"
binary=$(realpath -- "$1")
[[ -x $binary ]] || fail "$binary is not a program"
export DATABASE_URL=${2:-${DATABASE_URL:-}}
[[ -n $DATABASE_URL ]] || fail "which database? give a second argument or set DATABASE_URL"

here=$(realpath -- "$(dirname "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
spans=$work/spans.jsonl

made=$("$here/python.sh" export_spans.py "$spans")
say "the SDK exported $made"
trace=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["trace_id"])' \
    "$spans.expected.json")

"$binary" migrate up >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "migrate up failed"; }
say "the database is migrated"
"$binary" spans import "$spans" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; fail "spans import failed"; }
say "the spans are imported"
"$binary" traces get "$trace" --json >"$work/actual.json" || fail "traces get failed"
say "the trace is read back"
same=$("$here/python.sh" compare.py "$spans.expected.json" "$work/actual.json") || fail "they differ"
say "$same"
