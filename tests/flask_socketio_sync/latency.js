// An official client of examples/flask/latency.py. Usage: node latency.js PACKAGE URL TRANSPORTS
"use strict";
const assert = require("node:assert/strict");
const [name, url, transports] = process.argv.slice(2);
const io = require(name);

const once = (socket, event) => new Promise((resolve) => socket.once(event, (...values) => resolve(values)));

async function main() {
  assert.match(await (await fetch(url)).text(), /There and back/);
  assert.equal((await fetch(`${url}/socket.io/socket.io.min.js`)).status, 200);
  const socket = io(url, { transports: transports.split(","), forceNew: true });
  for (let number = 0; number < 20; number++) {
    const pong = once(socket, "pong_from_server");
    socket.emit("ping_from_client", number);
    assert.deepEqual(await pong, [number]);
  }
  socket.close();
  console.log("done");
  // The connection of fetch is kept for a while.
  process.exit(0);
}

main().catch((error) => {
  console.log(error);
  process.exit(1);
});
