// What is on the page: builds and changes elements, knows nothing of the connection.

export const $ = (id) => document.getElementById(id);

/** Returns a new element; a null child is left out. Text is only ever set as text, never as markup. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "hue") element.style.setProperty("--hue", value);
    else if (name === "onclick") element.addEventListener("click", value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Everybody's colour: the same for the same name, on every screen and after a reconnection. */
export function hue(name) {
  let hash = 0x811c9dc5; // FNV-1a
  for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193);
  return ((hash ^ (hash >>> 15)) >>> 0) % 360;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

const avatar = (name) =>
  make("span", { class: "avatar", hue: hue(name), "aria-hidden": "true" }, [...name][0].toUpperCase());

const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat([], { dateStyle: "full", timeStyle: "medium" });
const time = (at) => make("time", { datetime: new Date(at).toISOString(), title: calendar.format(at) }, clock.format(at));

// ---------------------------------------------------------------- messages

const log = $("log");
const messages = $("messages");
const GROUP = 5 * 60_000;
let last = null; // What the newest element is about, to group what belongs together.
let unseen = 0;
let pinned = true; // Whether the newest message is in sight, and is to stay there.

export function toBottom() {
  pinned = true;
  log.scrollTop = log.scrollHeight;
  unseen = 0;
  $("unseen").hidden = true;
}

function append(element, { follow = false, counts = false } = {}) {
  messages.append(element);
  if (pinned || follow) toBottom();
  else if (counts) {
    unseen += 1;
    $("unseen").textContent = unseen === 1 ? "1 new message" : `${unseen} new messages`;
    $("unseen").hidden = false;
  }
}

log.addEventListener("scroll", () => {
  pinned = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  if (pinned && unseen) toBottom();
});
$("unseen").addEventListener("click", toBottom);
// The keyboard of a phone, a turned screen and a taller composer leave another height to the messages.
const resized = new ResizeObserver(() => pinned && toBottom());
resized.observe(log);
resized.observe(messages);

export function clearMessages() {
  messages.replaceChildren();
  last = null;
  toBottom();
}

const LINK = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/g;
const ONLY_EMOJI = /^(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\p{Regional_Indicator}|\u200d|\ufe0f|\s){1,16}$/u;

function prose(text, when) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const link = make("a", { href: match[0], target: "_blank", rel: "noopener noreferrer" }, match[0]);
    parts.push(text.slice(from, match.index), link);
    from = match.index + match[0].length;
  }
  return make("p", { class: ONLY_EMOJI.test(text) ? "text big" : "text" }, ...parts, text.slice(from), when);
}

function picture(entry) {
  const { image } = entry;
  if (!image) return null;
  const { width, height } = image;
  if (!entry.url) {
    return make("p", { class: "picture gone" }, "An image, sent before you came in");
  }
  const img = make("img", { src: entry.url, width, height, alt: `Image from ${entry.from.name}` });
  const button = make("button", { class: "picture", type: "button", onclick: () => view(entry) }, img);
  button.style.setProperty("--ratio", width / height);
  button.style.setProperty("--width", `${width}px`);
  return button;
}

function view(entry) {
  $("viewer-image").src = entry.url;
  $("viewer-image").alt = `Image from ${entry.from.name}`;
  $("viewer").showModal();
}

/** Shows a message; `entry.element` is its element from then on. */
export function showMessage(entry, { onRetry }) {
  const { from, own, at, text } = entry;
  const follows = last?.from === from.id && at - last.at < GROUP;
  last = { from: from.id, at };
  const when = make("span", { class: "when" }, time(at), own ? make("span", { class: "tick" }) : null);
  const bubble = make(
    "div",
    { class: "bubble" },
    follows || own ? null : make("p", { class: "who", hue: hue(from.name) }, from.name),
    picture(entry),
    text ? prose(text, when) : when,
  );
  const retry = own ? make("button", { class: "retry", type: "button", onclick: () => onRetry(entry) }) : null;
  entry.element = make(
    "li",
    { class: "message", "data-own": Boolean(own), "data-follows": follows, "data-bare": !text },
    own ? null : follows ? make("span") : avatar(from.name),
    bubble,
    retry,
  );
  append(entry.element, { follow: own, counts: true });
  if (own) showStatus(entry);
}

/** Shows how far an own message has come: "sending", "sent", "delivered" or "failed". */
export function showStatus(entry) {
  const { status, others = 0, delivered = 0, element } = entry;
  if (!element) return;
  const label = {
    sending: "on its way to the server",
    sent: others ? `with the server, on its way to ${others}` : "with the server",
    delivered: delivered === 1 ? "delivered" : `delivered to all ${delivered}`,
    failed: "not sent",
  }[status];
  element.dataset.status = status;
  const tick = element.querySelector(".tick");
  tick.title = label;
  tick.replaceChildren(make("span", { class: "unheard" }, label), status === "failed" ? "" : icon(status));
  element.querySelector(".retry").textContent = status === "failed" ? `Not sent: ${entry.problem}. Try again` : "";
  element.querySelector("time").replaceWith(time(entry.at));
}

/** Shows that somebody came or left; one who comes back at once gets a single line for both. */
export function showNotice(person, words) {
  const arrives = words === "came in";
  if (arrives && last?.left === person.name && last.element === messages.lastElementChild) {
    last.element.remove();
    words = "is back";
  }
  const name = make("b", { hue: hue(person.name) }, person.name);
  const element = make("li", { class: "notice" }, name, ` ${words} · `, time(Date.now()));
  append(element);
  last = { left: arrives ? null : person.name, element };
}

// ---------------------------------------------------------------- the sides

export function showRooms(rooms, current, onPick) {
  const items = rooms.map(({ name, people }) =>
    make(
      "li",
      {},
      make(
        "button",
        { type: "button", "aria-current": name === current ? "true" : undefined, onclick: () => onPick(name) },
        make("span", { class: "name" }, name),
        make("span", { class: "count", title: `${people} here` }, String(people)),
      ),
    ),
  );
  $("room-list").replaceChildren(...items);
}

export function showPeople(people, you) {
  const sorted = [...people].sort((a, b) => (b.id === you) - (a.id === you) || a.name.localeCompare(b.name));
  const items = sorted.map(({ id, name }) =>
    make("li", { "data-id": id }, avatar(name), make("span", { class: "name" }, name), id === you ? make("i", {}, "you") : null),
  );
  $("people-list").replaceChildren(...items);
  const others = people.length - 1;
  $("subtitle").textContent = others < 1 ? "only you, so far" : others === 1 ? "you and one other" : `you and ${others} others`;
}

/** Marks who is typing, below the messages and in the list of people. */
export function showTyping(typists) {
  const names = [...typists.values()].map(({ person }) => person.name);
  const who = names.length > 2 ? `${names.length} people` : names.join(" and ");
  const dots = make("span", { class: "dots", "aria-hidden": "true" }, make("i"), make("i"), make("i"));
  $("typing").replaceChildren(...(names.length ? [dots, `${who} ${names.length > 1 ? "are" : "is"} typing`] : []));
  for (const item of $("people-list").children) item.toggleAttribute("data-typing", typists.has(item.dataset.id));
}

// ---------------------------------------------------------------- the line

export function showLine(state, text) {
  $("line").dataset.state = state;
  $("line-text").textContent = text;
  document.body.dataset.line = state;
}

export function showGraph(values) {
  const top = Math.max(4, ...values) * 1.15;
  const step = 240 / 39;
  const points = values.map((value, index) => {
    const x = 240 - (values.length - 1 - index) * step;
    return `${x.toFixed(1)},${(48 - (value / top) * 44).toFixed(1)}`;
  });
  const line = points.length > 1 ? `M${points.join("L")}` : "";
  $("graph-line").setAttribute("d", line);
  $("graph-area").setAttribute("d", line && `${line}L240,48L${points[0].split(",")[0]},48Z`);
}
