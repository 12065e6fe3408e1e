// An official client of examples/flask/chat.py. Usage: node chat.js PACKAGE URL TRANSPORTS
"use strict";
const assert = require("node:assert/strict");
const [name, url, transports] = process.argv.slice(2);
const io = require(name);

const old = name === "sio25";
const options = (auth) => ({ transports: transports.split(","), forceNew: true, reconnection: false, auth });
const once = (socket, event) => new Promise((resolve) => socket.once(event, (...values) => resolve(values)));
const ask = (socket, event, ...values) => new Promise((resolve) => socket.emit(event, ...values, (...answer) => resolve(answer)));

async function main() {
  const ann = io(url, options({ name: "ann" }));
  const bob = io(url, options({ name: "bob" }));
  // Clients of the 2.x series have no auth.
  const called = old ? ["anonymous", "anonymous"] : ["ann", "bob"];
  assert.deepEqual(await Promise.all([once(ann, "welcome"), once(bob, "welcome")]), [[called[0]], [called[1]]]);
  assert.deepEqual(await ask(ann, "join", { room: "tea" }), [2]);
  const said = once(ann, "said");
  bob.emit("room event", { room: "tea", text: "hello" });
  assert.deepEqual(await said, [{ name: called[1], text: "hello" }]);
  const pong = once(ann, "my_pong");
  ann.emit("my_ping");
  await pong;
  assert.deepEqual(await ask(ann, "count"), [1]);
  assert.deepEqual(await ask(ann, "count"), [2]);
  assert.deepEqual(await ask(bob, "count"), [1]);
  const worked = [once(ann, "worked"), once(bob, "worked")];
  ann.emit("work", 0.01);
  assert.deepEqual(await Promise.all(worked), [[0.01], [0.01]]);
  const [[first], [second]] = [await once(ann, "tick"), await once(ann, "tick")];
  assert.ok(second > first);
  const [picture, length] = await ask(ann, "picture", Buffer.from([1, 2, 3]));
  assert.deepEqual([...picture, length], [3, 2, 1, 3]);
  assert.deepEqual(await ask(ann, "fail"), [{ error: "ValueError" }]);
  assert.deepEqual(await ask(ann, "unknown", 1), ["nobody handles unknown"]);
  const admin = io(`${url}/admin`, options());
  assert.deepEqual(await once(admin, "stats"), [{ rooms: 1 }]);
  if (!old) {
    const eve = io(url, options({ name: "eve" }));
    const [error] = await once(eve, "connect_error");
    assert.deepEqual([error.message, error.data], ["not you", { why: "name" }]);
    eve.close();
  }
  const left = once(ann, "left");
  bob.disconnect();
  assert.deepEqual((await left)[0], called[1]);
  ann.close();
  admin.close();
  console.log("done");
}

main().catch((error) => {
  console.log(error);
  process.exit(1);
});
