// The chat's side of the connection: what is sent, what arrives, and what follows from it.

import { prepare, size } from "./image.js";
import { watchLine } from "./line.js";
import {
  $, clearMessages, showMessage, showNotice, showPeople, showRooms, showStatus, showTyping, toBottom,
} from "./view.js";

const KEPT = 200; // messages of each room that this page remembers
const NARROW = matchMedia("(max-width: 44rem)");

const me = { name: "", room: "", ids: new Set() };
const people = new Map(); // id -> person, in the room on the page
const typists = new Map(); // id -> { person, timer }
const memory = new Map(); // room -> entries, oldest first
let rooms = [];
let maxImage = 0; // bytes, as the server says
let attachment = null;
let unread = 0; // messages that came while the page was out of sight

const byHash = () => decodeURIComponent(location.hash.slice(1)).trim();

// ---------------------------------------------------------------- connecting

// The name and the room go along with each connection: after a reconnection the server puts this
// page into its room before the messages that waited meanwhile arrive.
const socket = window.io?.({
  autoConnect: false,
  reconnectionDelay: 500,
  reconnectionDelayMax: 5_000,
  auth: (give) => give({ name: me.name, room: me.room }),
});

if (socket) watchLine(socket);
else $("problem").textContent = "The Socket.IO client didn’t load: is it installed (npm install in examples/chat)?";

$("name").value = localStorage.getItem("parlour.name") ?? "";
$("room").value = byHash();

$("enter").disabled = !socket;
$("introduction").addEventListener("submit", (event) => {
  event.preventDefault();
  me.name = $("name").value.trim();
  me.room = $("room").value.trim() || "lobby";
  $("problem").textContent = "";
  $("enter").disabled = true;
  socket.connect();
});

socket?.on("welcome", (welcome) => {
  localStorage.setItem("parlour.name", me.name);
  me.ids.add(welcome.you);
  maxImage = welcome.max_image;
  $("text").maxLength = welcome.max_text;
  $("chat").hidden = false;
  enter(welcome);
  if (!$("entrance").hidden && !NARROW.matches) $("text").focus();
  $("entrance").hidden = true;
});

socket?.on("connect_error", (error) => {
  if (error.data?.code === "introduction") {
    $("problem").textContent = `Please: ${error.message}.`;
    $("enter").disabled = false;
  } else if (!$("entrance").hidden) {
    $("problem").textContent = "The server can’t be reached. Trying again …";
  }
});

// ---------------------------------------------------------------- rooms and people

/** Shows a room: its people, and its messages as this page and the server remember them. */
function enter({ room, people: present, history }) {
  const known = remembered(room);
  const ids = new Set(known.map((entry) => entry.id));
  const missed = history.filter(({ id }) => !ids.has(id)).map((message) => received(message));
  known.push(...missed);
  known.sort((a, b) => a.at - b.at);
  me.room = room;
  if (byHash() !== room) location.hash = encodeURIComponent(room);
  $("title").textContent = room;
  $("text").placeholder = `Say something in ${room}`;
  $("address").href = location.href;
  people.clear();
  for (const person of present) people.set(person.id, person);
  for (const id of [...typists.keys()]) stopsTyping(id);
  clearMessages();
  for (const entry of known) showMessage(entry, { onRetry: deliver });
  toBottom();
  refresh();
  showTitle();
}

function refresh() {
  showPeople([...people.values()], socket.id);
  showRooms(rooms, me.room, go);
  showTyping(typists);
  $("messages").dataset.alone = people.size < 2;
}

function go(room) {
  openDrawer(null);
  if (!room || room === me.room) return;
  socket.timeout(8_000).emit("join", room, (error, answer) => {
    if (error || answer.error) showNotice({ name: "The door" }, answer?.error ?? "doesn’t open: there is no connection");
    else enter(answer);
    if (!NARROW.matches) $("text").focus();
  });
}

const REASONS = { "switched rooms": "went to another room", "ping timeout": "lost the line", "transport error": "lost the line" };

socket?.on("joined", (person) => {
  people.set(person.id, person);
  showNotice(person, "came in");
  refresh();
});

socket?.on("left", (person, reason) => {
  people.delete(person.id);
  stopsTyping(person.id);
  showNotice(person, REASONS[reason] ?? "left");
  refresh();
});

socket?.on("rooms", (now) => {
  rooms = now;
  showRooms(rooms, me.room, go);
});

addEventListener("hashchange", () => socket?.connected && go(byHash()));

// ---------------------------------------------------------------- messages

function remembered(room) {
  if (!memory.has(room)) memory.set(room, []);
  return memory.get(room);
}

/** Adds what the page needs to know of a message. Own ones carry `status`, and `id` once the server has given it. */
function received(message) {
  const { image } = message;
  const url = image?.data ? URL.createObjectURL(new Blob([image.data], { type: image.type })) : null;
  return { ...message, url, own: me.ids.has(message.from.id), status: "sent" };
}

function keep(entry) {
  const entries = remembered(me.room);
  entries.push(entry);
  for (const old of entries.splice(0, entries.length - KEPT)) if (old.url) URL.revokeObjectURL(old.url);
  showMessage(entry, { onRetry: deliver });
}

// The acknowledgement tells the sender's server that this page has got it.
socket?.on("message", (message, acknowledge) => {
  acknowledge(true);
  stopsTyping(message.from.id);
  keep(received(message));
  countUnread();
});

function send() {
  const text = $("text").value.trim();
  if (!text && !attachment) return;
  const message = { at: Date.now(), from: { id: socket.id, name: me.name }, text, image: attachment?.image ?? null };
  const entry = { ...received(message), own: true };
  $("text").value = "";
  attach(null);
  resize();
  keep(entry);
  deliver(entry);
  sayTyping(false);
}

/** Sends an own message. Without a connection it waits for one, as long as the timeout allows. */
function deliver(entry) {
  entry.status = "sending";
  showStatus(entry);
  socket.timeout(20_000).emit("message", { text: entry.text, image: entry.image }, (error, answer) => {
    if (error || answer.error) {
      Object.assign(entry, { status: "failed", problem: answer?.error ?? "the connection was lost" });
    } else {
      Object.assign(entry, { status: "sent", id: answer.id, at: answer.at, others: answer.others });
    }
    showStatus(entry);
  });
}

socket?.on("delivered", (id, count) => {
  const entry = [...memory.values()].flat().find((entry) => entry.id === id);
  if (!entry) return;
  entry.delivered = count;
  if (count > 0 && count >= entry.others) entry.status = "delivered";
  showStatus(entry);
});

// ---------------------------------------------------------------- typing

let saidTypingAt = 0;

function sayTyping(is) {
  const now = Date.now();
  if (is ? now - saidTypingAt < 2_000 : !saidTypingAt) return;
  saidTypingAt = is ? now : 0;
  socket.volatile.emit("typing", is);
}

function stopsTyping(id) {
  clearTimeout(typists.get(id)?.timer);
  if (typists.delete(id)) showTyping(typists);
}

socket?.on("typing", (person, is) => {
  stopsTyping(person.id);
  if (!is) return;
  typists.set(person.id, { person, timer: setTimeout(stopsTyping, 4_000, person.id) });
  showTyping(typists);
});

// ---------------------------------------------------------------- the composer

function resize() {
  const { style } = $("text");
  style.height = "auto";
  style.height = `${$("text").scrollHeight}px`;
  $("send").disabled = !$("text").value.trim() && !attachment;
}

function attach(next, problem = "") {
  if (attachment) URL.revokeObjectURL(attachment.url);
  attachment = next;
  $("attachment").hidden = !next && !problem;
  $("attachment").toggleAttribute("data-problem", Boolean(problem));
  $("preview").src = next?.url ?? "";
  $("preview").hidden = !next;
  $("preview-name").textContent = next?.name ?? problem;
  $("preview-size").textContent = next?.about ?? "";
  resize();
  if (next) $("text").focus();
}

async function take(file) {
  if (!file?.type.startsWith("image/")) return;
  attach(null, "Making it fit …");
  try {
    const image = await prepare(file, maxImage);
    const bytes = image.data.byteLength;
    const shrunk = bytes < file.size ? `, from ${size(file.size)}` : "";
    const about = `${image.width} × ${image.height} · ${size(bytes)}${shrunk}`;
    const url = URL.createObjectURL(new Blob([image.data], { type: image.type }));
    attach({ image, url, name: file.name || "Image", about });
  } catch (error) {
    attach(null, error.message);
  }
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
$("text").addEventListener("input", () => {
  resize();
  sayTyping(Boolean($("text").value.trim()));
});
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
$("text").addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
  if (!file) return;
  event.preventDefault();
  take(file);
});
$("attach").addEventListener("click", () => $("file").click());
$("detach").addEventListener("click", () => attach(null));
$("file").addEventListener("change", () => {
  take($("file").files[0]);
  $("file").value = "";
});

addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").hidden = !event.dataTransfer.types.includes("Files") || $("chat").hidden;
});
addEventListener("dragleave", (event) => event.relatedTarget || ($("drop").hidden = true));
addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").hidden = true;
  if (!$("chat").hidden) take(event.dataTransfer.files[0]);
});

// ---------------------------------------------------------------- keys, drawers, title

function openDrawer(name) {
  if (name) $("chat").dataset.drawer = name;
  else delete $("chat").dataset.drawer;
}

for (const button of document.querySelectorAll("[data-open]")) {
  button.addEventListener("click", () => openDrawer(button.dataset.open));
}
for (const element of document.querySelectorAll("[data-close]")) element.addEventListener("click", () => openDrawer(null));

$("new-room").addEventListener("submit", (event) => {
  event.preventDefault();
  go($("new-room-name").value.trim());
  $("new-room-name").value = "";
});

const apple = /Mac|iPhone|iPad/.test(navigator.platform);
document.querySelector("kbd.key").textContent = apple ? "⌘K" : "Ctrl K";

addEventListener("keydown", (event) => {
  if ($("chat").hidden) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    if (NARROW.matches) openDrawer("rooms");
    $("new-room-name").focus();
  } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    event.preventDefault();
    const index = rooms.findIndex(({ name }) => name === me.room) + (event.key === "ArrowDown" ? 1 : -1);
    go(rooms.at(index % rooms.length)?.name);
  } else if (event.key === "Escape") {
    openDrawer(null);
    if (attachment) attach(null);
    $("text").focus();
  }
});


function countUnread() {
  if (document.hidden) unread += 1;
  showTitle();
}

function showTitle() {
  document.title = `${unread ? `(${unread}) ` : ""}${me.room ? `${me.room} · ` : ""}Parlour`;
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) unread = 0;
  showTitle();
});
