const socket = io();
const status = document.getElementById("status");

function show(text) {
  const item = document.createElement("li");
  item.textContent = text;
  document.getElementById("messages").append(item);
}

socket.on("connect", () => {
  status.textContent = "connected";
});

socket.on("message", (from, text) => show(`${from}: ${text}`));

document.getElementById("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = document.getElementById("text");
  socket.emit("message", input.value);
  input.value = "";
});
