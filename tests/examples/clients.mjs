// Official clients against the chat. Usage: node clients.mjs URL SCENARIO

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../examples/chat/package.json", import.meta.url));
const { io } = require("socket.io-client");
const [url, scenario] = process.argv.slice(2);
const clients = [];

/** Returns the next event's arguments; fails after a few seconds. `test` passes others over. */
function next(socket, event, test = () => true) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${event} in time`)), 8000);
    socket.on(event, function listener(...values) {
      if (!test(...values)) return;
      clearTimeout(timer);
      socket.off(event, listener);
      resolve(values);
    });
  });
}

const rooms = (socket, test) => next(socket, "rooms", (list) => test(new Map(list.map(({ name, people }) => [name, people]))));
const call = (socket, event, ...values) => socket.timeout(8000).emitWithAck(event, ...values);

function client(auth, options = {}) {
  const socket = io(url, { auth, forceNew: true, reconnection: false, ...options });
  clients.push(socket);
  return socket;
}

/** Returns a client that is in its room, with what it saw there in `view`. */
async function enter(name, room, options) {
  const socket = client({ name, room }, options);
  [socket.view] = await next(socket, "welcome");
  return socket;
}

const scenarios = {
  async introduction() {
    for (const auth of [undefined, {}, { name: " \n " }, { name: "n".repeat(25) }, { name: 7 }, { name: "Mia", room: "r".repeat(33) }]) {
      const [error] = await next(client(auth), "connect_error");
      assert.match(error.message, /has 1 to \d\d characters/);
      assert.deepEqual(error.data, { code: "introduction" });
    }
    const longest = await enter("n".repeat(24), "r".repeat(32));
    assert.equal(longest.view.room, "r".repeat(32));
    const mia = await enter(" Mia \n\u0007 Maria  ");
    assert.equal(mia.view.room, "lobby");
    assert.equal(mia.view.you, mia.id);
    assert.deepEqual(mia.view.people, [{ id: mia.id, name: "Mia Maria" }]);
  },

  async rooms() {
    const mia = await enter("Mia", "harbour");
    const arrival = next(mia, "joined");
    const jonas = await enter("Jonas", "harbour");
    assert.deepEqual(await arrival, [{ id: jonas.id, name: "Jonas" }]);
    assert.deepEqual(jonas.view.people.map(({ name }) => name), ["Mia", "Jonas"]);

    const departure = next(mia, "left");
    const directory = rooms(mia, (list) => list.get("harbour") === 1 && list.get("pier") === 1);
    const answer = await call(jonas, "join", "  pier ");
    assert.equal(answer.room, "pier");
    assert.deepEqual(answer.people, [{ id: jonas.id, name: "Jonas" }]);
    assert.deepEqual(await departure, [{ id: jonas.id, name: "Jonas" }, "switched rooms"]);
    await directory;

    const vanished = rooms(mia, (list) => !list.has("pier") && list.get("harbour") === 2);
    await call(jonas, "join", "harbour");
    await vanished;
    assert.match((await call(jonas, "join", "r".repeat(33))).error, /characters/);

    // A room that is called like somebody's id isn't that somebody's own room.
    jonas.on("message", () => assert.fail("that was said elsewhere"));
    await call(mia, "join", jonas.id);
    await call(mia, "message", { text: "into the void" });
    await call(jonas, "latency");
  },

  async messages() {
    const mia = await enter("Mia", "messages");
    const jonas = await enter("Jonas", "messages");
    jonas.on("message", (message, acknowledge) => acknowledge(true));
    const arrival = next(jonas, "message");
    const delivery = next(mia, "delivered");
    const answer = await call(mia, "message", { text: "  Grüße 👋\nund mehr " });
    const [message] = await arrival;
    assert.equal(answer.others, 1);
    assert.deepEqual({ ...message, at: 0 }, {
      id: answer.id, at: 0, from: { id: mia.id, name: "Mia" }, text: "Grüße 👋\nund mehr", image: null,
    });
    assert.equal(message.at, answer.at);
    assert.ok(Math.abs(Date.now() - answer.at) < 60_000);
    assert.deepEqual(await delivery, [answer.id, 1]);

    assert.ok((await call(mia, "message", { text: "x".repeat(2000) })).id);
    assert.match((await call(mia, "message", { text: "x".repeat(2001) })).error, /at most 2000/);
    const ada = await enter("Ada", "messages");
    assert.deepEqual(ada.view.history.map(({ text }) => text.length), [message.text.length, 2000]);
    assert.equal(ada.view.history[0].id, message.id);
  },

  async images() {
    for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
      const mia = await enter("Mia", "gallery", { transports });
      const jonas = await enter("Jonas", "gallery", { transports });
      jonas.on("message", (message, acknowledge) => acknowledge(true));
      const data = Buffer.alloc(700_000, (index) => (index * 7) % 251);
      const image = { type: "image/webp", width: 640, height: 480, data };
      const arrival = next(jonas, "message");
      const delivery = next(mia, "delivered");
      const answer = await call(mia, "message", { text: "the pier", image });
      const [message] = await arrival;
      assert.ok(data.equals(message.image.data), "every byte is the same");
      assert.deepEqual({ ...message.image, data: null }, { ...image, data: null });
      assert.deepEqual(await delivery, [answer.id, 1]);

      for (const wrong of [
        { ...image, data: Buffer.alloc(700_001) }, { ...image, data: "text" }, { ...image, type: "image/svg+xml" },
        { ...image, type: ["image/webp"] }, { ...image, width: 0 }, { ...image, height: "480" }, "image", 7,
      ]) {
        assert.ok((await call(mia, "message", { text: "", image: wrong })).error);
      }
      const ada = await enter("Ada", "gallery", { transports });
      assert.deepEqual(ada.view.history.at(-1).image, { type: "image/webp", width: 640, height: 480 });
      for (const socket of [mia, jonas, ada]) socket.close();
    }
  },

  async typing() {
    // A notice is volatile: it would be lost to somebody who is being upgraded.
    const mia = await enter("Mia", "study");
    const jonas = await enter("Jonas", "study", { transports: ["websocket"] });
    const ada = await enter("Ada", "kitchen");
    for (const socket of [mia, ada]) socket.on("typing", () => assert.fail("neither to oneself nor to another room"));
    for (const is of [true, false]) {
      const notice = next(jonas, "typing");
      mia.emit("typing", is);
      assert.deepEqual(await notice, [{ id: mia.id, name: "Mia" }, is]);
    }
    await Promise.all([call(mia, "latency"), call(ada, "latency")]);
  },

  async latency() {
    const mia = await enter("Mia", "latency");
    const values = await new Promise((resolve) => mia.emit("latency", (...values) => resolve(values)));
    assert.deepEqual(values, []);
  },

  async departures() {
    const mia = await enter("Mia", "station");
    for (const [leave, reason] of [
      [(socket) => socket.disconnect(), "client namespace disconnect"],
      [(socket) => socket.io.engine.close(), "transport close"],
      [(socket) => socket.io.engine.transport.ws._socket.destroy(), "transport close"],
    ]) {
      const jonas = await enter("Jonas", "station", { transports: ["websocket"] });
      const { id } = jonas;
      const notice = next(mia, "left");
      leave(jonas);
      assert.deepEqual(await notice, [{ id, name: "Jonas" }, reason]);
    }
    const ada = await enter("Ada", "ship");
    const vanished = rooms(mia, (list) => !list.has("ship"));
    ada.disconnect();
    await vanished;
  },

  async nonsense() {
    const mia = await enter("Mia", "nonsense");
    for (const event of ["join", "message"]) {
      for (const values of [[], [null], [7], [[]], [{}], [{ text: null }], [{ text: " " }], [Buffer.from("x")]]) {
        assert.ok((await call(mia, event, ...values)).error, `${event} ${JSON.stringify(values)}`);
      }
    }
    mia.emit("typing").emit("connection").emit("unheard of", 1);
    await call(mia, "latency");
    assert.ok(mia.connected);
  },
};

try {
  await scenarios[scenario]();
  console.log(`${scenario}: passed`);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await Promise.all(clients.map((socket) => socket.connected && (socket.close(), once(socket.io.engine, "close").catch(() => {}))));
  for (const socket of clients) socket.close();
}
