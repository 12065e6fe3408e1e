// The handlers of both JavaScript contestants.
"use strict";

module.exports = function install(io, zod) {
  const real = Boolean(process.env.BENCH_REAL);
  const Message = zod.object({ n: zod.number().int().nonnegative(), text: zod.string().min(1).max(10000) });

  if (real) {
    io.use((socket, next) => next("banned" in socket.handshake.query ? new Error("banned") : undefined));
    io.use((socket, next) => {
      socket.data.name = socket.handshake.auth.name ?? "somebody";
      socket.data.messages = 0;
      next();
    });
  }
  io.on("connection", (socket) => {
    if (real) {
      socket.join(["everybody", `name:${socket.data.name}`, `own:${socket.id}`]);
      socket.on("echo", (data, answer) => {
        const message = Message.parse(data);
        socket.data.messages += 1;
        answer({ n: message.n, text: message.text });
      });
    } else {
      socket.on("echo", (data, answer) => answer(data));
    }
    socket.on("bcast", (data) => io.emit("msg", data));
    socket.on("join", (room, answer) => {
      socket.join(room);
      answer(room);
    });
    socket.on("room", (room, data) => io.to(room).emit("msg", data));
  });
};
