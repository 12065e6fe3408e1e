"use strict";
// The raw echo against the client `ws`, case by case.
//
//   node ws.js ws://127.0.0.1:3000 plain|deflate
//
// NODE_PATH names the folder that holds `ws`. Prints one JSON object a line: first {"plan": [names]}, then
// {"name", "ok", "detail"} per case.

const assert = require("node:assert").strict;
const { randomBytes } = require("node:crypto");
const fs = require("node:fs");
const { bad, closes, expanding, frame } = require("./ws_frames.js");
const WebSocket = require("ws");

const [url, mode] = process.argv.slice(2);
const PATIENCE = 30_000;
const MEBIBYTE = 2 ** 20;
const LENGTHS = [0, 1, 125, 126, 127, 65_535, 65_536, MEBIBYTE];
const BURST = mode === "plain" ? 5_000 : 500;

const OFFERS = {
  "what is offered by default": {},
  "a threshold of 0": { threshold: 0 },
  "a threshold that no message reaches": { threshold: 64 * MEBIBYTE, clientNoContextTakeover: true },
  "a threshold within the messages": { threshold: 200, clientNoContextTakeover: true },
  "no context of the server's": { serverNoContextTakeover: true, threshold: 0 },
  "no context of the client's": { clientNoContextTakeover: true, threshold: 0 },
  "no context of either": { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 },
  ...Object.fromEntries([9, 10, 12, 15].flatMap((bits) => [
    [`${bits} bits of the server's window`, { serverMaxWindowBits: bits, threshold: 0 }],
    [`${bits} bits of the client's window`, { clientMaxWindowBits: bits, threshold: 0 }],
    [`${bits} bits of both windows and no context`, {
      serverMaxWindowBits: bits,
      clientMaxWindowBits: bits,
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      threshold: 0,
    }],
  ])),
  "8 bits of the client's window": { clientMaxWindowBits: 8, threshold: 0 },
  "a client's window that can't be told": { clientMaxWindowBits: false, threshold: 0 },
  "stored blocks": { threshold: 0, zlibDeflateOptions: { level: 0 } },
  "the least memory": { threshold: 0, zlibDeflateOptions: { level: 9, memLevel: 1 } },
  "one Huffman table": { threshold: 0, zlibDeflateOptions: { strategy: require("node:zlib").constants.Z_FIXED } },
};

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${PATIENCE} ms for ${what}`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// A connection whose messages, pongs and end can be waited for.
class Client {
  constructor(options = {}, query = "") {
    this.socket = new WebSocket(`${url}/${query}`, { perMessageDeflate: false, ...options });
    this.arrived = [];
    this.waiting = [];
    this.pongs = [];
    this.opened = new Promise((resolve, reject) => {
      this.socket.on("open", resolve);
      this.socket.on("error", reject);
    });
    this.ended = new Promise((resolve, reject) => {
      this.socket.on("close", (code, reason) => {
        this.end = `closed with ${code} ${reason}`;
        for (const wait of this.waiting.splice(0)) wait.reject(new Error(this.end));
        resolve([code, reason.toString()]);
      });
      this.socket.on("error", reject);
    });
    this.ended.catch(() => {});
    this.socket.on("message", (data, binary) => {
      const message = binary ? data : data.toString();
      if (this.waiting.length) this.waiting.shift().resolve(message);
      else this.arrived.push(message);
    });
    this.socket.on("pong", (data) => this.pongs.push(data));
    this.socket.on("upgrade", (response) => { this.answer = response.headers["sec-websocket-extensions"] ?? ""; });
  }

  async open() {
    await within(this.opened, "the handshake");
    return this;
  }

  next() {
    if (this.arrived.length) return Promise.resolve(this.arrived.shift());
    if (this.end) return Promise.reject(new Error(this.end));
    return within(new Promise((resolve, reject) => this.waiting.push({ resolve, reject })), "a message");
  }

  async expect(...messages) {
    for (const message of messages) {
      const got = await this.next();
      assert.equal(typeof got, typeof message);
      const same = typeof message === "string" ? got === message : message.equals(got);
      assert.ok(same, `${got.length} for ${message.length}: ${got.slice(0, 40).toString()}`);
    }
  }

  write(...pieces) {
    this.socket._socket.write(Buffer.concat(pieces));
  }

  async close(code, reason) {
    this.socket.close(code, reason);
    return within(this.ended, "the end");
  }
}

// Texts whose characters are of every length, cut to a length in bytes.
function text(length) {
  const pattern = "0aé€\u{1f4a9}";
  const repeated = pattern.repeat(Math.floor(length / Buffer.byteLength(pattern)));
  return repeated + "x".repeat(length - Buffer.byteLength(repeated));
}

async function everyLength(client, compressed) {
  const stream = client.socket._socket;
  for (const length of LENGTHS) {
    const zeros = Buffer.alloc(length);
    for (const message of [text(length), randomBytes(length), zeros]) {
      const before = stream.bytesRead;
      client.socket.send(message);
      await client.expect(message);
      const read = stream.bytesRead - before;
      const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
      if (!compressed) assert.equal(read, head + length);
      else if (length > 1_000 && message === zeros) assert.ok(read < length / 100, `${read} bytes for ${length}`);
    }
  }
}

async function inFragments(client) {
  for (const pieces of [["frag", "ment"], ["", "", ""], ["é", "", "€"], Array(1_000).fill("a"), [text(70_000), "", "z"]]) {
    for (const whole of [pieces, pieces.map((piece) => Buffer.from(piece))]) {
      const before = client.pongs.length;
      whole.forEach((piece, index) => {
        client.socket.send(piece, { fin: index === whole.length - 1 });
        if (index < whole.length - 1) client.socket.ping(`${index}`);
      });
      await client.expect(typeof whole[0] === "string" ? whole.join("") : Buffer.concat(whole));
      const pongs = client.pongs.slice(before).map(String);
      assert.deepEqual(pongs, whole.slice(1).map((_, index) => `${index}`));
    }
  }
}

async function inOneBurst(client) {
  const messages = Array.from({ length: BURST }, (_, number) => (
    number % 3 ? `message ${number} ${"x".repeat(number % 200)}` : Buffer.from(`binary ${number}`)
  ));
  for (const message of messages) client.socket.send(message);
  await client.expect(...messages);
}

const cases = {};

function echoes(name, options, check) {
  const about = { "every length": everyLength, "fragments, pings between": inFragments, "a burst": inOneBurst };
  for (const [what, run] of Object.entries(about)) {
    cases[`${name}: ${what}`] = async () => {
      const client = await new Client(options).open();
      check(client);
      await run(client, check !== refused);
      // The answer to a close is its code.
      assert.deepEqual(await client.close(1000), [1000, ""]);
    };
  }
}

function agreed(offer) {
  return (client) => {
    assert.equal(client.socket.extensions, "permessage-deflate");
    // Ours never refers to an earlier message.
    assert.match(client.answer, /server_no_context_takeover/);
    if (offer.clientNoContextTakeover) assert.match(client.answer, /client_no_context_takeover/);
    if (offer.serverMaxWindowBits) assert.match(client.answer, RegExp(`server_max_window_bits=${offer.serverMaxWindowBits}`));
    if (typeof offer.clientMaxWindowBits === "number") {
      assert.match(client.answer, RegExp(`client_max_window_bits=${offer.clientMaxWindowBits}`));
    }
  };
}

const refused = (client) => assert.equal(client.socket.extensions, "");

function planMessages() {
  echoes("nothing offered", {}, refused);
  echoes("a mask of zeros", { generateMask: (mask) => mask.fill(0) }, refused);
  if (mode === "plain") {
    echoes("compression offered in vain", { perMessageDeflate: true }, refused);
  } else {
    for (const [name, offer] of Object.entries(OFFERS)) echoes(name, { perMessageDeflate: offer }, agreed(offer));
  }
}

// The options that the rest is tried with.
const usual = mode === "deflate" ? { perMessageDeflate: { threshold: 0 } } : {};

function planPings() {
  for (const payload of ["", "hello", "\0".repeat(125)]) {
    cases[`a ping of ${payload.length} bytes is answered with its payload`] = async () => {
      const client = await new Client(usual).open();
      const pong = new Promise((resolve) => client.socket.once("pong", resolve));
      client.socket.ping(payload);
      assert.equal((await within(pong, "the pong")).toString(), payload);
      await client.close();
    };
  }
  cases["pongs that nobody asked for are ignored"] = async () => {
    const client = await new Client(usual).open();
    client.socket.pong("unsolicited");
    client.socket.send("on");
    await client.expect("on");
    await client.close();
  };
  cases["frames in single bytes"] = async () => {
    const client = await new Client(usual).open();
    client.socket._socket.setNoDelay(true);
    for (const byte of Buffer.concat([frame(1, "one"), frame(9, "ping"), frame(2, "two")])) client.write(Buffer.of(byte));
    await client.expect("one", Buffer.from("two"));
    assert.deepEqual(client.pongs.map(String), ["ping"]);
    await client.close();
  };
}

function planCloses() {
  const codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
  for (const [code, reason] of [[], ...codes.flatMap((code) => [[code], [code, "é€ bye"], [code, "x".repeat(123)]])]) {
    cases[`the client's close ${code ?? "without code"}, reason of ${(reason ?? "").length}`] = async () => {
      const client = await new Client(usual).open();
      client.socket.send("before");
      await client.expect("before");
      assert.deepEqual(await client.close(code, reason), [code ?? 1005, ""]);
    };
    cases[`the server's close ${code ?? "without code"}, reason of ${(reason ?? "").length}`] = async () => {
      const query = code ? `?${new URLSearchParams({ close: code, reason: reason ?? "" })}` : "?close";
      const client = await new Client(usual, query).open();
      client.socket.send("now");
      // What is queued comes before the close.
      await client.expect("now");
      assert.deepEqual(await within(client.ended, "the end"), [code ?? 1005, reason ?? ""]);
    };
  }
}

function planViolations() {
  for (const [name, [bytes, code]] of Object.entries({ ...bad(mode === "deflate"), ...closes() })) {
    cases[`${name} fails with ${code}`] = async () => {
      const client = await new Client(usual).open();
      client.write(frame(1, "before"), bytes, frame(1, "behind"));
      await client.expect("before");
      const [got, reason] = await within(client.ended, "the end");
      assert.equal(got, code, `${got} ${reason}`);
      assert.deepEqual(client.arrived, []);
    };
  }
  if (mode === "deflate") {
    cases["a message that expands beyond the limit fails with 1009"] = async () => {
      const client = await new Client(usual).open();
      client.write(expanding(16 * MEBIBYTE + 1));
      assert.equal((await within(client.ended, "the end"))[0], 1009);
    };
  }
}

// Synchronously, so that nothing is lost when the process ends.
function print(line) {
  fs.writeSync(1, `${JSON.stringify(line)}\n`);
}

async function main() {
  planMessages();
  planPings();
  planCloses();
  planViolations();
  print({ plan: Object.keys(cases) });
  for (const [name, run] of Object.entries(cases)) {
    try {
      await run();
      print({ name, ok: true, detail: "" });
    } catch (error) {
      print({ name, ok: false, detail: (error.stack ?? `${error}`).slice(0, 1_000) });
    }
  }
  // A failed case may have left its connection open.
  process.exit(0);
}

main();
