#!/usr/bin/env node
// A client of EventoDB's protocol, written from what describes it and by means of Node.js alone. It starts
// the program on an empty database, as EventoDB's own tests start their server, and ends with the first
// thing that is not as it should be: events.js PROGRAM DATABASE_URL
"use strict";

const assert = require("node:assert/strict");
const { createHash, randomUUID } = require("node:crypto");
const { execFile, spawn } = require("node:child_process");
const { once } = require("node:events");
const fs = require("node:fs");
const { tmpdir } = require("node:os");
const { promisify } = require("node:util");

const [PROGRAM, DATABASE] = process.argv.slice(2);
const tokenOf = (namespace, secret) => `ns_${Buffer.from(namespace).toString("base64url")}_${secret}`;
const ADMIN = tokenOf("default", "0".repeat(64));
const work = fs.mkdtempSync(`${tmpdir()}/annals-events-`);
// Nothing of the one who tests: settings come from the environment too.
const alone = { cwd: work, env: {} };
const sleep = promisify(setTimeout);
const range = (length, map = (n) => n) => Array.from({ length }, (_, n) => map(n));

class Server {
  /** Starts it on the port it had before, or on any. */
  async start() {
    for (let tries = 0; ; tries += 1) {
      const args = [`--port=${this.url?.split(":").pop() ?? 0}`, `--token=${ADMIN}`, "-db-url", DATABASE, "--json"];
      this.child = spawn(PROGRAM, args, { ...alone, stdio: ["ignore", "pipe", "inherit"] });
      const [ready] = await Promise.race(["data", "close"].map((event) => once(this.child.stdout, event)));
      if (ready) {
        this.url = `http://${JSON.parse(ready).http}`;
        return;
      }
      // Any connection of this machine can have been given the port in the meantime.
      assert.ok(tries < 20, "it does not start");
      await sleep(100);
    }
  }

  async stop(signal = "SIGTERM") {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, "exit");
    this.child.kill(signal);
    assert.deepEqual(await gone, signal === "SIGTERM" ? [0, null] : [null, signal]);
  }
}

class Client {
  constructor(server, token, namespace) {
    Object.assign(this, { server, token, namespace });
  }

  /** The answer as it is written: JavaScript's numbers would lose digits. */
  async text(body) {
    const headers = this.token === undefined ? {} : { authorization: `Bearer ${this.token}` };
    const response = await fetch(`${this.server.url}/rpc`, { method: "POST", headers, body });
    const text = await response.text();
    if (!response.ok) throw Object.assign(new Error(text), { status: response.status }, JSON.parse(text).error);
    return text;
  }

  async call(...call) {
    return JSON.parse(await this.text(JSON.stringify(call)));
  }

  write(stream, type, data = {}, options = {}, more = {}) {
    return this.call("stream.write", stream, { type, data, ...more }, options);
  }

  /** What one connection tells until it ends; that it is ready comes as undefined. */
  async *pokes(query, signal) {
    const parameters = new URLSearchParams({ ...query, token: this.token });
    const response = await fetch(`${this.server.url}/subscribe?${parameters}`, { signal });
    assert.match(`${response.status} ${response.headers.get("content-type")}`, /^200 text\/event-stream/);
    let rest = "";
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + chunk).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        // To the letter: a block without a line holds one of EventoDB's SDKs up for ever.
        assert.match(block, /^(: (ready|alive)|event: poke\ndata: \{.*\})$/);
        if (block === ": ready") yield undefined;
        else if (block !== ": alive") yield JSON.parse(block.split("data: ")[1]);
      }
    }
  }

  /** Follows until `count` messages were told: after a cut again from the last one, which is told twice. */
  async follow(query, count, { onReady = () => {}, onPoke = () => {} } = {}) {
    const told = [];
    const at = query.stream === undefined ? "globalPosition" : "position";
    const giveUp = Date.now() + 60_000;
    for (let connections = 0; told.length < count; ) {
      assert.ok(Date.now() < giveUp, `${told.length} of ${count}`);
      const cut = new AbortController();
      const from = told.length === 0 ? query : { ...query, position: told.at(-1)[at] };
      try {
        for await (const poke of this.pokes(from, cut.signal)) {
          if (poke === undefined) onReady((connections += 1));
          else if (told.length === 0 || poke[at] > told.at(-1)[at]) onPoke(told.push(poke), cut);
          if (told.length >= count) break;
        }
      } catch (error) {
        // The connection was cut, or the server is away; what a server says wrongly is neither.
        if (error.code === "ERR_ASSERTION" || error instanceof SyntaxError) throw error;
      }
      cut.abort();
      if (told.length < count) await sleep(50);
    }
    return told;
  }
}

const server = new Server();
const admin = new Client(server, ADMIN);

async function namespace(name, options = {}) {
  const made = await admin.call("ns.create", `${name}_${randomUUID().slice(0, 8)}`, options);
  return new Client(server, made.token, made.namespace);
}

async function refused(promise, status, code) {
  const error = await promise.then(() => assert.fail(`${code} was expected`), (error) => error);
  assert.deepEqual([error.status, error.code], [status, code], error);
  return error;
}

/** Which member of a group a stream belongs to, by the rule of Message DB. */
function member(stream, size) {
  const cardinal = stream.slice(stream.indexOf("-") + 1).split("+")[0];
  const hash = createHash("md5").update(cardinal).digest().readBigInt64BE();
  return Number((hash < 0n ? -hash : hash) % BigInt(size));
}

const steps = {
  async "health, namespaces and tokens"() {
    assert.deepEqual(await (await fetch(`${server.url}/health`)).json(), { status: "ok" });
    const [one, other] = [await namespace("one"), await namespace("other", { description: "é" })];
    assert.equal(Buffer.from(one.token.split("_")[1], "base64url").toString(), one.namespace);
    const given = tokenOf("given", "ab".repeat(32));
    assert.equal((await admin.call("ns.create", "given", { token: given })).token, given);
    await refused(admin.call("ns.create", "given"), 409, "NAMESPACE_EXISTS");
    for (const [token, status, code] of [[undefined, 401, "AUTH_REQUIRED"], ["no", 401, "AUTH_INVALID_TOKEN"],
      [tokenOf("given", "cd".repeat(32)), 403, "AUTH_UNAUTHORIZED"]]) {
      await refused(new Client(server, token).call("stream.version", "a-1"), status, code);
    }
    await refused(one.call("ns.delete", other.namespace), 403, "AUTH_UNAUTHORIZED");
    for (const client of [one, other]) assert.equal((await client.write("same-1", client.namespace)).position, 0);
    assert.equal((await one.call("stream.last", "same-1"))[1], one.namespace);
    assert.deepEqual(await one.call("ns.categories"), [{ category: "same", streamCount: 1, messageCount: 1 }]);
    assert.equal((await admin.call("ns.info", one.namespace)).messageCount, 1);
    assert.ok((await admin.call("ns.list")).some((it) => it.namespace === other.namespace && it.description === "é"));
    await admin.call("ns.delete", other.namespace);
    await refused(other.call("stream.version", "same-1"), 403, "AUTH_UNAUTHORIZED");
    await refused(admin.call("ns.info", other.namespace), 404, "NAMESPACE_NOT_FOUND");
  },

  async "writes, versions and conflicts"() {
    const client = await namespace("writes");
    const first = client.write("order-1", "Placed", { total: 42 }, { expectedVersion: -1 });
    assert.deepEqual(await first, { position: 0, globalPosition: 1 });
    assert.equal((await client.write("order-1", "Paid", {}, { expectedVersion: 0 })).position, 1);
    for (const [stream, actual] of [["order-1", 1], ["none-1", -1]]) {
      const late = refused(client.write(stream, "Paid", {}, { expectedVersion: 0 }), 409, "STREAM_VERSION_CONFLICT");
      assert.deepEqual((await late).details, { expected: 0, actual });
    }
    // Of many who want the same place one gets it; of many who want any, each gets its own.
    const race = range(20, (n) => client.write("race-1", "T", { n }, { expectedVersion: -1 }));
    const ends = (await Promise.allSettled(race)).map(({ reason }) => reason?.code ?? "");
    assert.deepEqual(ends.sort(), range(20, (n) => (n ? "STREAM_VERSION_CONFLICT" : "")));
    const places = await Promise.all(range(50, (n) => client.write("many-1", "T", { n })));
    assert.deepEqual(places.map(({ position }) => position).sort((a, b) => a - b), range(50));
    // A retry gets the answer of what was written, and another message with its id none.
    const retry = (n, id = "0190a0a0-0000-7000-8000-000000000001") =>
      client.write("retry-1", "T", { n }, { id, expectedVersion: -1 });
    assert.deepEqual(await retry(1), await retry(1));
    await refused(retry(2), 409, "MESSAGE_ID_CONFLICT");
    assert.equal(await client.call("stream.version", "retry-1"), 0);
    for (const wrong of [["", "T"], ["a-1", ""], ["a-1", "T", []], ["a-1", "T", {}, { id: "x" }]]) {
      await refused(client.write(...wrong), 400, "INVALID_REQUEST");
    }
    await refused(client.call("stream.nothing"), 404, "METHOD_NOT_FOUND");
  },

  async "reads of a stream, and every digit"() {
    const client = await namespace("reads");
    const data = { text: "naïve 日本 🦀 <&> \u2028", empty: {}, none: null, list: [1, [], "", false] };
    await client.write("read-1", "A", data, {}, { metadata: { who: "me" } });
    for (const n of range(9)) await client.write("read-1", n % 2 ? "A" : "B", { n });
    const all = await client.call("stream.get", "read-1");
    assert.deepEqual(all[0].slice(1, 6), ["A", 0, 1, data, { who: "me" }]);
    assert.match(all[0][0], /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.match(all[0][6], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    assert.deepEqual(all.slice(1).map((message) => [message[2], message[5]]), range(9, (n) => [n + 1, null]));
    const get = (options) => client.call("stream.get", "read-1", options);
    assert.deepEqual(await get({ position: 3, batchSize: 2 }), all.slice(3, 5));
    await refused(get({ batchSize: 10_001 }), 400, "INVALID_REQUEST");
    const last = (stream, ...options) => client.call("stream.last", stream, ...options);
    assert.deepEqual([await last("read-1"), await last("read-1", { type: "A" })], [all[9], all[8]]);
    assert.deepEqual([await last("read-1", { type: "C" }), await last("no-1")], [null, null]);
    assert.equal(await client.call("stream.version", "no-1"), null);
    const digits = '{"big":123456789012345678901234567890,"odd":9007199254740993,"one":1.0,"two":2.50}';
    await client.text(`["stream.write","digits-1",{"type":"T","data":${digits}}]`);
    const told = (await client.text('["stream.get","digits-1"]')).replace(/\s/g, "");
    for (const number of digits.match(/[\d.]+/g)) assert.ok(told.includes(`:${number}`), `${number} in ${told}`);
  },

  async "categories, groups and correlation"() {
    const client = await namespace("categories");
    const streams = range(40, (n) => `account-${["é", "日本", "x y"][n] ?? n}${n % 3 ? "" : "+more"}`);
    for (const [n, stream] of streams.entries()) {
      const metadata = { correlationStreamName: n % 4 ? "other-1" : "transfer-7" };
      await client.write(stream, "T", { n }, {}, n % 2 ? {} : { metadata });
    }
    await client.write("account:command-1", "T");
    const get = (category, options = {}) => client.call("category.get", category, options);
    const all = await get("account");
    assert.deepEqual(all.map((message) => [message[1], message[4]]), streams.map((stream, n) => [stream, n + 1]));
    assert.deepEqual(await get("account", { position: 11, batchSize: 5 }), all.slice(10, 15));
    for (const size of [2, 3, 16]) {
      for (const of of range(size)) {
        const mine = all.filter((message) => member(message[1], size) === of);
        assert.deepEqual(await get("account", { consumerGroup: { member: of, size } }), mine, `${of} of ${size}`);
      }
    }
    await refused(get("account", { consumerGroup: { member: 2, size: 2 } }), 400, "INVALID_REQUEST");
    assert.deepEqual(await get("account", { correlation: "transfer" }), all.filter((_, n) => n % 4 === 0));
    assert.deepEqual([(await get("account-1")).length, (await get("")).length], [0, 41]);
  },

  async "subscriptions across a cut, a stop and a crash"() {
    const client = await namespace("follows");
    const count = 120;
    const streamOf = (n) => `seen-${n % 7}`;
    for (const n of range(20)) await client.write(streamOf(n), "T", { n });
    const live = client.follow({ all: "true" }, 1, { onReady: () => client.write("other-1", "T") });
    assert.equal((await live)[0].stream, "other-1");
    // While the server is away a write is tried again, by its id.
    const write = async (n, id = randomUUID()) => {
      while (!(await client.write(streamOf(n), "T", { n }, { id }).catch((error) => {
        // Without a status there was no answer.
        if (error.status && error.status !== 503) throw error;
      }))) await sleep(20);
    };
    const writeRest = async () => { for (const n of range(count - 20)) await write(n + 20); };
    const group = range(2, (consumer) => client.follow({ category: "seen", consumer, size: 2 },
      range(count, streamOf).filter((stream) => member(stream, 2) === consumer).length));
    const restart = (signal) => server.stop(signal).then(() => server.start());
    let [writing, restarted, connected] = [undefined, undefined, 0];
    const everything = await client.follow({ category: "seen" }, count, {
      onReady: (connections) => { connected = connections; writing ??= writeRest(); },
      onPoke: (told, cut) => {
        if (told === 40) cut.abort();
        if (told === 70) restarted = restart("SIGTERM");
        if (told === 95) restarted = restarted.then(() => restart("SIGKILL"));
      },
    });
    await Promise.all([writing, restarted]);
    const poke = (message) => ({ stream: message[1], position: message[3], globalPosition: message[4] });
    const stored = (await client.call("category.get", "seen")).map(poke);
    assert.deepEqual(everything, stored);
    assert.ok(connected >= 3, `${connected} connections`);
    for (const [of, told] of (await Promise.all(group)).entries()) {
      assert.deepEqual(told, stored.filter(({ stream }) => member(stream, 2) === of));
    }
    const one = stored.filter(({ stream }) => stream === "seen-3").slice(4);
    assert.deepEqual(await client.follow({ stream: "seen-3", position: 4 }, one.length), one);
  },

  async "what is exported is imported"() {
    const [from, to] = [await namespace("from"), await namespace("to")];
    for (const n of range(30)) await from.write(`moved-${n % 4}`, "T", { n, text: "日本 🦀\n" });
    await from.write("kept-1", "T");
    const annals = (command, { token }, ...args) => promisify(execFile)(PROGRAM,
      [command, "--url", server.url, "--token", token, "--gzip", ...args, "messages.gz"], alone);
    await annals("export", from, "--categories", "moved", "--output");
    await annals("import", to, "--input");
    const moved = await from.call("category.get", "moved");
    assert.equal(moved.length, 30);
    assert.deepEqual(await to.call("category.get", ""), moved);
    await assert.rejects(annals("import", to, "--input"), /POSITION_EXISTS/);
    assert.equal((await to.write("moved-0", "T", {}, { expectedVersion: 7 })).globalPosition, 31);
  },
};

(async () => {
  await server.start();
  for (const [what, step] of Object.entries(steps)) {
    await step();
    console.log(`as it should be: ${what}`);
  }
  await server.stop();
})().catch(async (error) => {
  console.error(error);
  process.exitCode = 1;
  await server.stop("SIGKILL");
}).finally(() => fs.rmSync(work, { recursive: true, force: true }));
