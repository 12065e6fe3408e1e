// Socket.IO's own server on Bun, with the engine made for it.
"use strict";

const installed = require("node:module").createRequire(`${process.env.BENCH_MODULES}/`);
const { Server } = installed("socket.io");
const { Server: Engine } = installed("@socket.io/bun-engine");

const io = new Server();
const pingInterval = 1000 * Number(process.env.BENCH_PING_INTERVAL ?? 25);
const engine = new Engine({ path: "/socket.io/", pingInterval });
io.bind(engine);
require("./handlers.js")(io, installed("zod"));

// More than the interval of the pings, as the engine's documentation asks.
Bun.serve({ port: Number(process.argv[2]), hostname: "127.0.0.1", idleTimeout: 40, ...engine.handler() });
