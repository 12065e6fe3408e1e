const socket = io();
const status = document.getElementById("status");

socket.on("welcome", (text) => {
  status.textContent = text;
});

socket.on("disconnect", (reason) => {
  status.textContent = `disconnected: ${reason}`;
});
