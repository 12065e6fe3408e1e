const { io } = require("socket.io-client");

const socket = io("http://127.0.0.1:3000");
socket.on("welcome", ({ id }) => {
  console.log("I am", id);
  socket.emit("chat message", "hello", (answer) => console.log("server says:", answer));
});
socket.on("chat message", (from, text) => console.log(from, "says:", text));
