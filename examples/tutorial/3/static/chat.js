const socket = io();
const status = document.getElementById("status");

function show(text) {
  const item = document.createElement("li");
  item.textContent = text;
  document.getElementById("messages").append(item);
  return item;
}

socket.on("connect", () => {
  status.textContent = "connected";
});

socket.on("message", (from, message) => show(`${from}: ${message.text}`));

document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = document.getElementById("text");
  const text = input.value;
  const item = show(`me: ${text} ...`);
  input.value = "";
  try {
    const answer = await socket.timeout(5000).emitWithAck("message", { text });
    item.textContent = answer.ok ? `me: ${text}` : `not sent: ${answer.error.message}`;
  } catch {
    item.textContent = `perhaps not sent: ${text}`;
  }
});
