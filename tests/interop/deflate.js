// A WebSocket client that compresses, and the official client with its compression on: what they send comes back.
// Arguments: the server's port, then the options of the client as JSON.
"use strict";
const assert = require("node:assert");
const { randomBytes } = require("node:crypto");
const WebSocket = require("ws8");
const { io } = require("sio48");

const port = Number(process.argv[2]);
const options = JSON.parse(process.argv[3]);
const DEADLINE = 20_000;
const texts = [0, 1, 100, 1023, 1024, 5000, 70_000, 400_000].map((size) => "text ü ".repeat(size).slice(0, size));
const blobs = [0, 10, 2000, 300_000].map((size) => randomBytes(size));

function deadline(what) {
  return setTimeout(() => {
    console.error(`not within ${DEADLINE} ms: ${what}`);
    process.exit(1);
  }, DEADLINE);
}

// By hand, so that the extension and each frame are what the options of ws say.
async function raw() {
  const timer = deadline("the raw client");
  const url = `ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`;
  const socket = new WebSocket(url, { perMessageDeflate: options });
  socket.on("upgrade", (response) => console.log(response.headers["sec-websocket-extensions"]));
  const waiting = [];
  const arrived = [];
  socket.on("message", (data, isBinary) => {
    const message = isBinary ? data : data.toString();
    if (waiting.length) waiting.shift()(message);
    else arrived.push(message);
  });
  const next = () => new Promise((resolve) => (arrived.length ? resolve(arrived.shift()) : waiting.push(resolve)));
  socket.on("error", (error) => { throw error; });
  assert.match(await next(), /^0/);
  assert.match(socket.extensions, /permessage-deflate/);
  socket.send("40");
  assert.match(await next(), /^40/);
  for (let round = 0; round < 3; round++) {
    for (const text of texts) {
      socket.send(`4217["echo",${JSON.stringify(text)}]`);
      assert.strictEqual(await next(), `4317[${JSON.stringify(text)}]`);
    }
    for (const blob of blobs) {
      socket.send('451-7["echo",{"_placeholder":true,"num":0}]');
      socket.send(blob);
      assert.strictEqual(await next(), '461-7[{"_placeholder":true,"num":0}]');
      assert.ok(blob.equals(await next()));
    }
    // In fragments, with pings between them.
    socket.send('4217["echo",', { fin: false });
    socket.ping();
    socket.send(`"${"fragment ".repeat(200)}"`, { fin: false });
    socket.ping();
    socket.send("]", { fin: true });
    assert.strictEqual(await next(), `4317["${"fragment ".repeat(200)}"]`);
  }
  socket.close();
  clearTimeout(timer);
}

async function official() {
  const timer = deadline("the official client");
  const socket = io(`http://127.0.0.1:${port}`, { perMessageDeflate: options, transports: ["polling", "websocket"] });
  await new Promise((resolve) => socket.io.engine.once("upgrade", resolve));
  await Promise.all(texts.map(async (text) => assert.strictEqual(await socket.emitWithAck("echo", text), text)));
  for (const blob of blobs) assert.ok(blob.equals(await socket.emitWithAck("echo", blob)));
  assert.match(socket.io.engine.transport.ws.extensions, /permessage-deflate/);
  socket.close();
  clearTimeout(timer);
}

raw().then(official);
