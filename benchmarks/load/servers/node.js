// Socket.IO's own server on Node.
"use strict";

const installed = require("node:module").createRequire(`${process.env.BENCH_MODULES}/`);
const { Server } = installed("socket.io");

const io = new Server(Number(process.argv[2]), {
  pingInterval: 1000 * Number(process.env.BENCH_PING_INTERVAL ?? 25),
  serveClient: false,
});
require("./handlers.js")(io, installed("zod"));
