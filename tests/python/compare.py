#!/usr/bin/env python3
"""Compares what the SDK said about a trace with what Annals gives back, every field of every span.

    compare.py [--thoroughly] EXPECTED ACTUAL

EXPECTED is what said_by_sdk.py, or the JavaScript beside it, wrote. ACTUAL is what
`annals traces get ID --json` printed, or the URL of a running server, of which GET /traces/ID is asked.
Exits 1 with the first difference. --thoroughly also alters every value that came back, and exits 1 when
the comparison does not see it.
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
        "user_id", "cache_write_tokens", "token_convention", "finish_reason", "response_id",
        "tool_name", "agent_name", "cost_source",
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
    """Equality to the type: 1 is not 1.0, and neither is True. Gives how many values were compared."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in expected.keys() - actual.keys():
            raise Difference(f"{where}: {key!r} is missing")
        for key in actual.keys() - expected.keys():
            raise Difference(f"{where}: {key!r} is too much")
        return sum(compare(value, actual[key], f"{where}.{key}") for key, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            raise Difference(f"{where}: {len(expected)} items expected, {len(actual)} found")
        pairs = enumerate(zip(expected, actual))
        return sum(compare(one, other, f"{where}[{i}]") for i, (one, other) in pairs)
    # repr tells 0.0 from -0.0, which are equal.
    if type(expected) is not type(actual) or repr(expected) != repr(actual):
        raise Difference(f"{where}: {shorten(expected)} expected, {shorten(actual)} found")
    return 1


def as_served(row):
    """The columns of the table as the server tells them: without those that are absent or zero, and with
    two that say the same in other words."""
    told = {
        column: value
        for column, value in row.items()
        if value is not None and not (column.endswith("_count") and value == 0)
    }
    told["end_time"] = row["start_time"] + row["duration_nanos"]
    told["duration_ms"] = row["duration_nanos"] / 1e6
    return told


def compare_span(expected, actual, where):
    found = dict(actual)
    for column in ["start_time", "end_time"]:
        if column in found:
            found[column] = nanoseconds(found[column], f"{where}.{column}")
    return compare(expected, found, where)


def compare_traces(expected, actual, served=False):
    """Gives how many values were compared."""
    compare(expected["trace_id"], actual.get("trace_id"), "trace_id")
    spans = actual.get("spans", [])
    # By start to the nanosecond, then by id: `expected` is in this order.
    ids = [span["span_id"] for span in expected["spans"]]
    compare(ids, [span.get("span_id") for span in spans], "span ids")
    compared = 0
    for span, found in zip(expected["spans"], spans):
        wanted = as_served(row(span)) if served else row(span)
        compared += compare_span(wanted, found, f"span {span['span_id']} ({span['name'][:20]!r})")
    return compared


def alterations(value):
    """What a value could have become by mistake, each with the place of the change."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"without .{key}", {other: value[other] for other in value if other != key}
            for place, altered in alterations(item):
                yield f".{key}{place}", {**value, key: altered}
        yield "with one more", {**value, "one more": None}
    elif isinstance(value, list):
        for i, item in enumerate(value):
            for place, altered in alterations(item):
                yield f"[{i}]{place}", [*value[:i], altered, *value[i + 1 :]]
        yield "with one more", [*value, None]
        if value:
            yield "without the last", value[:-1]
    elif isinstance(value, bool):
        yield " as an integer", int(value)
        yield " turned around", not value
    elif isinstance(value, int):
        yield " as a float", float(value)
        yield " plus one", value + 1
    elif isinstance(value, float):
        yield " a little larger", math.nextafter(value, math.inf)
        yield " a little smaller", math.nextafter(value, -math.inf)
    elif isinstance(value, str) and (time := TIME.fullmatch(value)):
        nanos = int((time[2] or "").ljust(9, "0"))
        for other in [(nanos + 1) % 10**9, (nanos + 10**9 - 1) % 10**9]:
            yield " a nanosecond off", f"{time[1]}.{other:09}Z"
    elif isinstance(value, str):
        yield " with a letter more", f"{value}x"
        yield " as nothing", None
    else:
        yield " as a text", ""


def check_that_every_field_counts(expected, actual, served):
    """A comparison that sees nothing agrees with everything: whatever is altered, it has to differ."""
    altered_values = 0
    for span, found in zip(expected["spans"], actual["spans"]):
        wanted = as_served(row(span)) if served else row(span)
        for place, altered in alterations(found):
            altered_values += 1
            try:
                compare_span(wanted, altered, "")
            except Difference:
                continue
            raise Difference(f"nobody sees that span {span['span_id']} is altered: {place}")
    return altered_values


def get_trace(server, trace):
    try:
        with urllib.request.urlopen(f"{server}/traces/{trace}", timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Difference(f"GET /traces/{trace}: {error.code} {error.read().decode()}") from None


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main(expected_path, actual, thoroughly=False):
    expected = read(expected_path)
    is_server = actual.startswith("http://")
    try:
        found = get_trace(actual, expected["trace_id"]) if is_server else read(actual)
        compared = compare_traces(expected, found, is_server)
        if thoroughly:
            altered = check_that_every_field_counts(expected, found, is_server)
    except Difference as difference:
        sys.exit(str(difference))
    print(f"{len(expected['spans'])} spans with {compared} fields are the same")
    if thoroughly:
        print(f"every one of {altered} alterations is seen")


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--thoroughly"]
    if len(arguments) != 2:
        sys.exit(__doc__)
    main(*arguments, "--thoroughly" in sys.argv)
