// An official client of examples/flask/factory. Usage: node factory.js PACKAGE URL TRANSPORTS
"use strict";
const assert = require("node:assert/strict");
const [name, url, transports] = process.argv.slice(2);
// Node's own one, from version 22 on, sends no cookies; clients 2.x would take it.
delete globalThis.WebSocket;
const io = require(name);

const once = (socket, event) => new Promise((resolve) => socket.once(event, (...values) => resolve(values)));
const ask = (socket, event, ...values) => new Promise((resolve) => socket.emit(event, ...values, (...answer) => resolve(answer)));

async function main() {
  // A browser would send the cookie of the page by itself.
  const page = await fetch(`${url}/session/tea`);
  const [cookie] = page.headers.get("set-cookie").split(";");
  const socket = io(`${url}/shop`, { transports: transports.split(","), forceNew: true, extraHeaders: { Cookie: cookie },
    transportOptions: { polling: { extraHeaders: { Cookie: cookie } } } });
  assert.deepEqual(await once(socket, "status"), [{ app: "shop", value: "tea" }]);
  socket.emit("set", "coffee");
  assert.deepEqual(await ask(socket, "get"), ["coffee"]);
  const status = once(socket, "status");
  socket.emit("joined", "lobby");
  assert.deepEqual(await status, [{ joined: "lobby" }]);
  const announced = once(socket, "announced");
  assert.equal(await (await fetch(`${url}/announce/hello`)).text(), "announced");
  assert.deepEqual(await announced, ["hello"]);
  socket.close();
  console.log("done");
  // The connection of fetch is kept for a while.
  process.exit(0);
}

main().catch((error) => {
  console.log(error);
  process.exit(1);
});
