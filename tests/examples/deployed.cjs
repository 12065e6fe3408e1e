// A client of the tutorial's chat where it is deployed. Usage: node deployed.cjs URL TRANSPORTS ARRIVED

const assert = require("node:assert/strict");
const { io } = require("sio48");

const [url, transports, arrived] = process.argv.slice(2);
const socket = io(url, { transports: transports.split(","), auth: { name: "Ann" }, reconnection: false });
const transport = () => socket.io.engine.transport.name;

socket.on("connect_error", (error) => {
  throw error;
});

socket.on("connect", async () => {
  if (transport() !== arrived) await new Promise((upgraded) => socket.io.engine.once("upgrade", upgraded));
  assert.equal(transport(), arrived);
  assert.deepEqual(await socket.emitWithAck("message", { text: "hello" }), { ok: true });
  socket.disconnect();
});
