// Makes one trace with the official OpenTelemetry SDK, sends it with one of the official exporters, and
// writes what the SDK itself says about each span, for ../python/compare.py.
//
//   node send_spans.js ROAD OTLP_GRPC OTLP_HTTP EXPECTED
//
// ROAD is grpc, proto, proto-gzip, json or json-gzip.
"use strict";

const fs = require("fs");
const { SpanStatusCode, SpanKind, TraceFlags, createTraceState, trace, ROOT_CONTEXT, diag, DiagLogLevel } =
  require("@opentelemetry/api");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { BasicTracerProvider, BatchSpanProcessor, InMemorySpanExporter, SimpleSpanProcessor } =
  require("@opentelemetry/sdk-trace-base");
const { OTLPTraceExporter: GrpcExporter } = require("@opentelemetry/exporter-trace-otlp-grpc");
const { OTLPTraceExporter: ProtoExporter } = require("@opentelemetry/exporter-trace-otlp-proto");
const { OTLPTraceExporter: JsonExporter } = require("@opentelemetry/exporter-trace-otlp-http");
const { written } = require("./said_by_sdk.js");

const UNICODE = 'naïve 日本語 🦀 \u{10ffff} \u202e rtl \t tab \n line " quote \\ backslash \x7f';

/** Every type that the SDK takes. Bytes and maps are none of its types: it leaves such attributes out. */
const EVERY_TYPE = {
  str: "text",
  "str.empty": "",
  "str.unicode": UNICODE,
  "str.control": String.fromCharCode(...Array.from({ length: 31 }, (_, i) => i + 1)),
  "bool.true": true,
  "bool.false": false,
  "int.zero": 0,
  "int.negative": -1,
  "int.max_safe": Number.MAX_SAFE_INTEGER,
  "int.min_safe": Number.MIN_SAFE_INTEGER,
  float: 0.1,
  "float.exact": 0.1 + 0.2,
  "float.small": 5e-324,
  // On the wire these are integers, as JavaScript does not tell 1.0 from 1; and -0 is 0 there.
  "float.whole": 1.0,
  "float.negative_zero": -0.0,
  "seq.str": ["a", "", UNICODE],
  "seq.bool": [true, false],
  "seq.int": [1, -2, 2 ** 52],
  "seq.float": [1.5, -0.25, 5e-324],
  "seq.numbers": [1, 1.5],
  "seq.empty": [],
  "seq.with_null": ["a", null, "b"],
  [UNICODE]: "a key in Unicode",
  "a.long.text": "x".repeat(100_000),
};

/**
 * What the exporters for protobuf keep and the one for JSON loses by itself: it writes NaN and infinities
 * as null, and integers beyond 2^53 with digits that are not theirs, or as 1e+300.
 */
const BEYOND_JSON = {
  "int.lowest": -(2 ** 63),
  "int.beyond_safe": 2 ** 62,
  "float.large": 1e300,
  "float.nan": NaN,
  "float.infinity": Infinity,
  "float.negative_infinity": -Infinity,
  "seq.special": [NaN, Infinity, 1e300, -(2 ** 63)],
};

/** Times to the nanosecond, which the SDK takes as [seconds, nanoseconds] only. */
class Clock {
  nanos = BigInt(Date.now()) * 1_000_000n;

  next(step = 1_000_007n) {
    this.nanos += step;
    return [Number(this.nanos / 1_000_000_000n), Number(this.nanos % 1_000_000_000n)];
  }
}

function provider(exporter, memory, attributes, schemaUrl) {
  return new BasicTracerProvider({
    resource: resourceFromAttributes(attributes, { schemaUrl }),
    // Low enough to be reached.
    spanLimits: {
      attributeCountLimit: 64,
      eventCountLimit: 3,
      linkCountLimit: 3,
      attributePerEventCountLimit: 64,
      attributePerLinkCountLimit: 2,
    },
    spanProcessors: [new BatchSpanProcessor(exporter), new SimpleSpanProcessor(memory)],
  });
}

function makeTrace(gateway, modelServer, everyType) {
  const clock = new Clock();
  const within = (span) => (span ? trace.setSpan(ROOT_CONTEXT, span) : ROOT_CONTEXT);
  const start = (tracer, name, parent, options = {}) =>
    tracer.startSpan(name, { startTime: clock.next(), ...options }, within(parent));
  const tracer = gateway.getTracer("annals.tests.gateway", "0.1", {
    schemaUrl: "https://opentelemetry.io/schemas/1.36.0",
  });
  const elsewhere = {
    traceId: "a1b2c3d4e5f60718293a4b5c6d7e8f90",
    spanId: "0102030405060708",
    isRemote: true,
    traceFlags: TraceFlags.SAMPLED,
    traceState: createTraceState("vendor=opaque,other=1"),
  };

  const root = start(tracer, `GET /${UNICODE}`, null, {
    kind: SpanKind.SERVER,
    attributes: everyType,
    links: [
      { context: elsewhere, attributes: { "link.attribute": Number.MAX_SAFE_INTEGER, "link.text": UNICODE } },
      { context: { traceId: "f".repeat(32), spanId: "0000000000000001", traceFlags: TraceFlags.NONE } },
    ],
  });
  root.addEvent("everything", everyType, clock.next());
  root.addEvent("nothing", {}, clock.next());

  const tooMuch = start(gateway.getTracer("annals.tests.plain"), "too much of everything", root);
  for (let i = 0; i < 70; i++) tooMuch.setAttribute(`attribute.${i}`, i);
  for (let i = 0; i < 5; i++) {
    const many = Object.fromEntries(Array.from({ length: 66 }, (_, j) => [`e${j}`, j]));
    tooMuch.addEvent(`event ${i}`, many, clock.next(1n));
    tooMuch.addLink({ context: elsewhere, attributes: { l0: 0, l1: 1, l2: 2, l3: 3 } });
  }
  tooMuch.setStatus({ code: SpanStatusCode.OK });
  tooMuch.end(clock.next());

  const failing = start(tracer, "raises", root, { kind: SpanKind.PRODUCER });
  try {
    throw new RangeError(`bad value: ${UNICODE}`);
  } catch (error) {
    failing.recordException(error, clock.next());
    failing.setStatus({ code: SpanStatusCode.ERROR, message: `failed: ${UNICODE}` });
  }
  failing.end(clock.next());

  const chat = start(tracer, "chat gpt-4o", root, {
    kind: SpanKind.CLIENT,
    attributes: {
      "gen_ai.provider.name": "openai",
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "gpt-4o",
      "gen_ai.response.model": "gpt-4o-2024-08-06",
      "gen_ai.usage.input_tokens": 1200,
      "gen_ai.usage.output_tokens": 350,
      "gen_ai.response.finish_reasons": ["stop"],
      "gen_ai.conversation.id": "conversation-1",
      "gen_ai.usage.cost": 0.0145,
    },
  });

  // The other service knows the caller from the wire only.
  const remote = trace.wrapSpanContext({
    ...chat.spanContext(),
    isRemote: true,
    traceState: createTraceState("vendor=opaque,other=1"),
  });
  const infer = start(modelServer.getTracer("annals.tests.model"), "infer by InferTrace", remote, {
    kind: SpanKind.CONSUMER,
    attributes: { model_name: "llama-70b", model_version: "v3", batch_size: 8, gpu_utilization_percent: 91.5 },
  });
  // Begins and ends at one instant.
  const instant = clock.next();
  start(tracer, "no time", infer, { startTime: instant }).end(instant);
  infer.end(clock.next());
  chat.end(clock.next());
  root.end(clock.next());
}

function exporterOf(road, otlpGrpc, otlpHttp) {
  const [form, compression] = road.split("-");
  const url = form === "grpc" ? `http://${otlpGrpc}` : `http://${otlpHttp}/v1/traces`;
  const exporter = { grpc: GrpcExporter, proto: ProtoExporter, json: JsonExporter }[form];
  return new exporter({ url, compression: compression ?? "none" });
}

async function main(road, otlpGrpc, otlpHttp, expected) {
  // An exporter tells of what it could not send here only. What it warns of is meant: limits are reached.
  let failures = 0;
  const fail = (...what) => {
    failures += 1;
    console.error(...what);
  };
  const nothing = () => {};
  diag.setLogger({ error: fail, warn: nothing, info: nothing, debug: nothing, verbose: nothing }, DiagLogLevel.ERROR);
  const memory = new InMemorySpanExporter();
  const everyType = road.startsWith("json") ? EVERY_TYPE : { ...EVERY_TYPE, ...BEYOND_JSON };
  const gateway = provider(
    exporterOf(road, otlpGrpc, otlpHttp),
    memory,
    { "service.name": "gateway", "service.version": "1.2.3", résumé: UNICODE, ...everyType },
    "https://opentelemetry.io/schemas/1.37.0",
  );
  const modelServer = provider(exporterOf(road, otlpGrpc, otlpHttp), memory, { "service.name": "model-server" });
  makeTrace(gateway, modelServer, everyType);
  await Promise.all([gateway.forceFlush(), modelServer.forceFlush()]);
  // A shutdown empties the memory.
  fs.writeFileSync(expected, written(memory.getFinishedSpans()));
  await Promise.all([gateway.shutdown(), modelServer.shutdown()]);
  process.exitCode = failures === 0 ? 0 : 1;
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
