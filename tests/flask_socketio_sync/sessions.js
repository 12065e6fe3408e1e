// An official client of examples/flask/sessions.py. Usage: node sessions.js PACKAGE URL TRANSPORTS
"use strict";
const assert = require("node:assert/strict");
const [name, url, transports] = process.argv.slice(2);
// Node's own one, from version 22 on, sends no cookies; clients 2.x would take it.
delete globalThis.WebSocket;
const io = require(name);

const once = (socket, event) => new Promise((resolve) => socket.once(event, (...values) => resolve(values)));
const ask = (socket, event, ...values) => new Promise((resolve) => socket.emit(event, ...values, (...answer) => resolve(answer)));

async function main() {
  const headers = { "Content-Type": "application/json" };
  const put = (product) => fetch(`${url}/cart`, { method: "POST", headers, body: JSON.stringify(product) });
  // A browser would send the cookie of the page by itself.
  const page = await put("tea");
  [headers.Cookie] = page.headers.get("set-cookie").split(";");
  const cart = async () => (await (await fetch(`${url}/cart`, { headers })).json()).cart;
  const extraHeaders = { Cookie: headers.Cookie };
  const socket = io(url, { transports: transports.split(","), forceNew: true, extraHeaders,
    transportOptions: { polling: { extraHeaders } } });
  assert.deepEqual(await ask(socket, "cart"), [["tea"]]);
  const shown = once(socket, "cart");
  socket.emit("add", "milk");
  assert.deepEqual(await shown, [["tea", "milk"]]);
  assert.deepEqual(await ask(socket, "cart"), [["tea", "milk"]]);
  assert.deepEqual(await cart(), ["tea", "milk"]);
  await put("sugar");
  assert.deepEqual(await ask(socket, "cart"), [["tea", "milk", "sugar"]]);
  socket.close();
  console.log("done");
  // The connection of fetch is kept for a while.
  process.exit(0);
}

main().catch((error) => {
  console.log(error);
  process.exit(1);
});
