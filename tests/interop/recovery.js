// The official client behind a proxy that a test cuts: what its application gets, and whether it was recovered.
// Argument: the proxy's port, then the transports as JSON. Commands come on standard input, a word a line:
// "disconnect" leaves the namespace. What happens goes to standard output, a JSON array a line.
"use strict";
const { io } = require("sio48");
const { createInterface } = require("node:readline");

const options = {
  transports: JSON.parse(process.argv[3]),
  reconnectionDelay: 20,
  reconnectionDelayMax: 20,
  randomizationFactor: 0,
  auth: { name: "ann" },
  ...JSON.parse(process.argv[4] ?? "{}"),
};
if (options.msgpack) options.parser = require("parser3");
const say = (...what) => console.log(JSON.stringify(what));
const socket = io(`http://127.0.0.1:${process.argv[2]}`, options);

socket.on("connect", () => say("connect", socket.id, socket.recovered));
socket.on("disconnect", (reason) => say("disconnect", reason));
socket.on("connect_error", () => {});
// An acknowledgement is the last argument; the offset, which every event ends in that may be recovered, isn't told.
socket.onAny((event, ...values) => {
  const ack = values.find((value) => typeof value === "function");
  const told = values.filter((value) => typeof value !== "function")
    .map((value) => (Buffer.isBuffer(value) ? `binary:${value.toString("hex")}` : value));
  say("event", event, ...told);
  if (ack) ack("answer");
});
socket.io.engine.on?.("upgrade", () => say("upgrade"));
createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "disconnect") socket.disconnect();
  if (line === "connect") socket.connect();
  if (line === "drop") socket.io.engine.close();
  if (line.startsWith("pid ")) socket._pid = line.slice(4);
  if (line === "show pid") say("pid", socket._pid, socket._lastOffset);
});
