// What the SDK itself says about spans, read from its ReadableSpan objects and not from an export, in the
// form that ../python/compare.py reads.
"use strict";

const { SpanKind, SpanStatusCode } = require("@opentelemetry/api");

// What each span's attributes are to become in columns of their own; all others are absent.
const PROMOTED = {
  "chat gpt-4o": {
    provider: "openai",
    gen_ai_operation: "chat",
    request_model: "gpt-4o",
    response_model: "gpt-4o-2024-08-06",
    model_name: "gpt-4o-2024-08-06",
    input_tokens: 1200,
    output_tokens: 350,
    conversation_id: "conversation-1",
    token_convention: "included",
    finish_reason: "stop",
    cost: 0.0145,
    cost_source: "reported",
  },
  "infer by InferTrace": {
    model_name: "llama-70b",
    model_version: "v3",
    batch_size: 8,
    gpu_utilization: 91.5,
  },
};

/**
 * A value with its type on the wire. The SDK knows numbers only: every whole one that 64 bits hold is sent
 * as an integer, so 1.0 comes back as 1 and -0 as 0.
 */
function typed(value) {
  if (value === null || value === undefined) return { type: "none" };
  if (typeof value === "boolean") return { type: "bool", value };
  if (typeof value === "string") return { type: "string", value };
  if (Array.isArray(value)) return { type: "array", value: value.map(typed) };
  const isWhole = Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63;
  if (isWhole) return { type: "int", value: BigInt(value).toString() };
  // In Python's words.
  const special = { NaN: "nan", Infinity: "inf", "-Infinity": "-inf" };
  return { type: "double", value: special[String(value)] ?? String(value) };
}

function attributes(values) {
  return Object.fromEntries(Object.entries(values ?? {}).map(([key, value]) => [key, typed(value)]));
}

/** The W3C flags, and the bits that OTLP defines above them. */
function flags(traceFlags, isRemote) {
  return traceFlags | 0x100 | (isRemote ? 0x200 : 0);
}

function said(span) {
  const context = span.spanContext();
  const scope = span.instrumentationScope;
  const nanos = ([seconds, nanos]) => BigInt(seconds) * 1_000_000_000n + BigInt(nanos);
  return {
    trace_id: context.traceId,
    span_id: context.spanId,
    parent_span_id: span.parentSpanContext?.spanId ?? null,
    trace_state: context.traceState?.serialize() ?? "",
    flags: flags(context.traceFlags, span.parentSpanContext?.isRemote),
    name: span.name,
    kind: SpanKind[span.kind],
    start_time: nanos(span.startTime),
    end_time: nanos(span.endTime),
    status: { code: SpanStatusCode[span.status.code], message: span.status.message ?? null },
    attributes: attributes(span.attributes),
    dropped_attributes: span.droppedAttributesCount,
    events: span.events.map((event) => ({
      time: nanos(event.time),
      name: event.name,
      attributes: attributes(event.attributes),
      dropped_attributes: event.droppedAttributesCount ?? 0,
    })),
    dropped_events: span.droppedEventsCount,
    links: span.links.map((link) => ({
      trace_id: link.context.traceId,
      span_id: link.context.spanId,
      trace_state: link.context.traceState?.serialize() ?? "",
      flags: flags(link.context.traceFlags, link.context.isRemote),
      attributes: attributes(link.attributes),
      dropped_attributes: link.droppedAttributesCount ?? 0,
    })),
    dropped_links: span.droppedLinksCount,
    resource: { attributes: attributes(span.resource.attributes), schema_url: span.resource.schemaUrl ?? "" },
    scope: {
      name: scope.name,
      version: scope.version ?? "",
      schema_url: scope.schemaUrl ?? "",
      attributes: attributes(scope.attributes),
    },
    promoted: PROMOTED[span.name] ?? {},
  };
}

function order(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What compare.py reads: whole nanoseconds, which JSON.stringify refuses to write, as bare digits. */
exports.written = (spans) => {
  const all = spans.map(said);
  all.sort((a, b) => order(a.start_time, b.start_time) || order(a.span_id, b.span_id));
  const traces = new Set(all.map((span) => span.trace_id));
  if (traces.size !== 1) throw new Error(`one trace was meant, not ${traces.size}`);
  const mark = "nanoseconds since the epoch: ";
  const text = JSON.stringify({ trace_id: [...traces][0], spans: all }, (_, value) =>
    typeof value === "bigint" ? mark + value : value,
  );
  return text.replace(new RegExp(`"${mark}(\\d+)"`, "g"), "$1");
};
