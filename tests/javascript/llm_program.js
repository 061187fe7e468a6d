// Calls models with the Vercel AI SDK, and sends its spans by OTLP/HTTP.
//
//   node llm_program.js MODEL_SERVER OTLP_HTTP
//
// Each call has a trace of its own. Prints a JSON object of their ids by what was called, as
// ../python/llm_program.py does.
"use strict";

const { context, trace } = require("@opentelemetry/api");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { BasicTracerProvider, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-base");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-proto");
const { createOpenAI } = require("@ai-sdk/openai");
const { embed, generateText, stepCountIs, streamText, tool } = require("ai");
const { AsyncLocalStorage } = require("node:async_hooks");
const { z } = require("zod");

const PROMPT = "How is the weather in Bergen?";

/** What carries a span to those that it causes; the SDK for Node.js, which has one, is not needed else. */
class Carrier {
  storage = new AsyncLocalStorage();
  active() {
    return this.storage.getStore() ?? require("@opentelemetry/api").ROOT_CONTEXT;
  }
  with(given, what, self, ...args) {
    return this.storage.run(given, () => what.call(self, ...args));
  }
  bind(given, target) {
    return typeof target === "function" ? (...args) => this.with(given, target, undefined, ...args) : target;
  }
  enable() {
    return this;
  }
  disable() {
    return this;
  }
}

async function main(modelServer, otlpHttp) {
  const exporter = new OTLPTraceExporter({ url: `http://${otlpHttp}/v1/traces` });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "vercel" }),
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  context.setGlobalContextManager(new Carrier());
  const tracer = provider.getTracer("ai");
  const traces = {};
  const inTrace = async (name, what) => {
    const span = tracer.startSpan(name);
    traces[name] = span.spanContext().traceId;
    await context.with(trace.setSpan(context.active(), span), what);
    span.end();
  };

  const openai = createOpenAI({ apiKey: "none", baseURL: `${modelServer}/v1` });
  const metadata = { sessionId: "conversation-1", userId: "user-1" };
  const telemetry = { isEnabled: true, tracer, functionId: "weather-report", metadata };
  const ask = (model, others) => ({
    model: openai.chat(model),
    prompt: PROMPT,
    maxRetries: 0,
    experimental_telemetry: telemetry,
    ...others,
  });

  await inTrace("plain", () => generateText(ask("gpt-4o-mini")));
  await inTrace("cached", () => generateText(ask("gpt-4o")));
  await inTrace("streamed", async () => {
    // eslint-disable-next-line no-unused-vars
    for await (const _ of streamText(ask("gpt-4o-mini")).textStream);
  });
  const weather = tool({
    description: "How the weather is",
    inputSchema: z.object({ city: z.string() }),
    execute: async () => "rain",
  });
  await inTrace("tools", () => generateText(ask("gpt-4o-mini", { tools: { weather }, stopWhen: stepCountIs(2) })));
  await inTrace("embedding", () =>
    embed({
      model: openai.embedding("text-embedding-3-small"),
      value: "Bergen",
      experimental_telemetry: telemetry,
    }),
  );
  await inTrace("refused", () => generateText(ask("no-such-model")).catch(() => {}));
  await provider.shutdown();
  console.log(JSON.stringify(traces));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
