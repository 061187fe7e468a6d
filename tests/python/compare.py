#!/usr/bin/env python3
"""Compares what the SDK said about a trace with what Annals gives back, every field of every span.

    compare.py EXPECTED ACTUAL

EXPECTED is what said_by_sdk.py, or the JavaScript beside it, wrote. ACTUAL is what
`annals traces get ID --json` printed, or the URL of a running server, of which GET /traces/ID is asked.
Exits 1 with the first difference.
"""

import datetime
import json
import math
import re
import sys
import urllib.error
import urllib.request

TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


class Difference(Exception):
    pass


def stored_double(value):
    if math.isnan(value):
        return {"$double": "NaN"}
    if math.isinf(value):
        return {"$double": "Infinity" if value > 0 else "-Infinity"}
    if value == 0 and math.copysign(1, value) < 0:
        return {"$double": "-0"}
    return value


def stored(typed):
    """The JSON that a typed value is to become."""
    kind, value = typed["type"], typed.get("value")
    if kind == "int":
        return int(value)
    if kind == "double":
        return stored_double(float(value))
    if kind == "bytes":
        return {"$bytes": value}
    if kind == "array":
        return [stored(item) for item in value]
    if kind == "map":
        members = attributes(value)
        is_ambiguous = len(members) == 1 and next(iter(members)).startswith("$")
        return {"$map": members} if is_ambiguous else members
    return value


def attributes(typed):
    return {key: stored(value) for key, value in typed.items()}


def row(span):
    """The row that a span is to become, column by column."""
    resource, scope, status = span["resource"], span["scope"], span["status"]
    promoted = span["promoted"]
    row = {
        "trace_id": span["trace_id"],
        "span_id": span["span_id"],
        "parent_span_id": span["parent_span_id"],
        "service_name": resource["attributes"]["service.name"]["value"],
        "operation_name": span["name"],
        "start_time": span["start_time"],
        "duration_nanos": span["end_time"] - span["start_time"],
        "status": status["code"].lower(),
        "tags": attributes(span["attributes"]) or None,
        "kind": span["kind"].lower(),
        "status_code": status["code"].lower(),
        "status_message": status["message"] or None,
        "trace_state": span["trace_state"] or None,
        "flags": span["flags"],
        "events": [
            {
                "time_unix_nano": str(event["time"]),
                "name": event["name"],
                "attributes": attributes(event["attributes"]),
                "dropped_attributes_count": event["dropped_attributes"],
            }
            for event in span["events"]
        ]
        or None,
        "links": [
            {
                "trace_id": link["trace_id"],
                "span_id": link["span_id"],
                "trace_state": link["trace_state"],
                "attributes": attributes(link["attributes"]),
                "flags": link["flags"],
                "dropped_attributes_count": link["dropped_attributes"],
            }
            for link in span["links"]
        ]
        or None,
        "dropped_attributes_count": span["dropped_attributes"],
        "dropped_events_count": span["dropped_events"],
        "dropped_links_count": span["dropped_links"],
        "resource": attributes(resource["attributes"]),
        # The exporter has no such counts to send.
        "resource_dropped_attributes_count": 0,
        "resource_schema_url": resource["schema_url"] or None,
        "scope_name": scope["name"] or None,
        "scope_version": scope["version"] or None,
        "scope_attributes": attributes(scope["attributes"]) or None,
        "scope_dropped_attributes_count": 0,
        "scope_schema_url": scope["schema_url"] or None,
    }
    for column in [
        "model_name", "model_version", "batch_size", "input_tokens", "output_tokens",
        "gpu_utilization", "provider", "gen_ai_operation", "request_model", "response_model",
        "cached_tokens", "reasoning_tokens", "time_to_first_token_nanos", "conversation_id", "cost",
    ]:
        row[column] = promoted.get(column)
    return row


def nanoseconds(text, where):
    """Nanoseconds since the epoch of an RFC 3339 time in UTC; Python's own times stop at micro."""
    match = TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise Difference(f"{where}: {text!r} is not a time in UTC like 2026-11-21T09:30:00.123456789Z")
    seconds = datetime.datetime.fromisoformat(f"{match[1]}+00:00")
    epoch = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    whole = (seconds - epoch) // datetime.timedelta(seconds=1)
    return whole * 1_000_000_000 + int((match[2] or "").ljust(9, "0"))


def shorten(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 200 else f"{text[:200]}… ({len(text)} characters)"


def compare(expected, actual, where):
    """Equality to the type: 1 is not 1.0, and neither is True."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in expected.keys() - actual.keys():
            raise Difference(f"{where}: {key!r} is missing")
        for key in actual.keys() - expected.keys():
            raise Difference(f"{where}: {key!r} is too much")
        for key, value in expected.items():
            compare(value, actual[key], f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            raise Difference(f"{where}: {len(expected)} items expected, {len(actual)} found")
        for i, (one, other) in enumerate(zip(expected, actual)):
            compare(one, other, f"{where}[{i}]")
    elif type(expected) is not type(actual) or expected != actual:
        raise Difference(f"{where}: {shorten(expected)} expected, {shorten(actual)} found")


def as_served(row, found, where):
    """What the server leaves out, and what it adds, against the columns of the table.

    What is added says the same in other words, so it is held against what the SDK said right here.
    """
    end = row["start_time"] + row["duration_nanos"]
    compare(end, nanoseconds(found.pop("end_time", None), f"{where}.end_time"), f"{where}.end_time")
    compare(row["duration_nanos"] / 1e6, found.pop("duration_ms", None), f"{where}.duration_ms")
    return {
        column: value
        for column, value in row.items()
        if value is not None and not (column.endswith("_count") and value == 0)
    }


def compare_traces(expected, actual, served=False):
    compare(expected["trace_id"], actual.get("trace_id"), "trace_id")
    spans = actual.get("spans", [])
    # By start to the nanosecond, then by id: `expected` is in this order.
    ids = [span["span_id"] for span in expected["spans"]]
    compare(ids, [span.get("span_id") for span in spans], "span ids")
    for span, found in zip(expected["spans"], spans):
        where = f"span {span['span_id']} ({span['name'][:20]!r})"
        found["start_time"] = nanoseconds(found.get("start_time"), f"{where}.start_time")
        wanted = row(span)
        compare(as_served(wanted, found, where) if served else wanted, found, where)


def get_trace(server, trace):
    try:
        with urllib.request.urlopen(f"{server}/traces/{trace}", timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Difference(f"GET /traces/{trace}: {error.code} {error.read().decode()}") from None


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main(expected_path, actual):
    expected = read(expected_path)
    is_server = actual.startswith("http://")
    try:
        found = get_trace(actual, expected["trace_id"]) if is_server else read(actual)
        compare_traces(expected, found, is_server)
    except Difference as difference:
        sys.exit(str(difference))
    print(f"{len(expected['spans'])} spans are the same, field by field")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
