'use strict';
// Connections of one generation of the official client in one transport mode, and promises around their events.

const { strict: assert } = require('node:assert');

// How each mode is asked for. Generation 1.x takes `upgrade` from here, too.
const MODES = {
  polling: { transports: ['polling'], upgrade: false },
  websocket: { transports: ['websocket'], upgrade: false },
  upgrade: { transports: ['polling', 'websocket'], upgrade: true },
};

// Long enough for two busy cores; a check that passes doesn't wait for it.
const PATIENCE = 15_000;

function within(promise, what, milliseconds = PATIENCE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${milliseconds} ms for ${what}`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// The arguments of the next event of this name.
function next(emitter, event, what = `the event "${event}"`) {
  return within(new Promise((resolve) => emitter.once(event, (...args) => resolve(args))), what);
}

// Emits with an acknowledgement; gives its values.
function ask(socket, event, ...args) {
  const answer = new Promise((resolve) => socket.emit(event, ...args, (...values) => resolve(values)));
  return within(answer, `the acknowledgement of "${event}"`);
}

// Which Buffer, ArrayBuffer or view of one the client hands out differs between generations and transports.
function plain(value) {
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  }
  return value;
}

// Since Node 22 there is a browser's WebSocket, which 1.x and 2.x would take for granted; it can't send headers.
// They were made for the package `ws`.
delete globalThis.WebSocket;

class Connections {
  constructor({ client, mode, url, cell }) {
    this.io = require(client);
    this.generation = Number(require(`${client}/package.json`).version.split('.')[0]);
    this.protocol = this.generation < 3 ? 3 : 4;
    this.mode = mode;
    this.url = url;
    this.cell = cell;
    this.expected = mode === 'polling' ? 'polling' : 'websocket';
  }

  // A socket on a connection of its own. It is known to the server, and to the watchers of this cell, as `label`.
  open(label, options = {}) {
    const socket = this.io(this.url, {
      ...MODES[this.mode],
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 250,
      timeout: PATIENCE,
      ...options,
      query: { label, watch: this.watch, ...options.query },
    });
    this.observe(socket);
    // Each attempt to reconnect makes a new engine, and has to be watched from its start.
    const manager = socket.io;
    const { open } = manager;
    manager.open = (...args) => {
      const before = manager.engine;
      const result = open.apply(manager, args);
      if (manager.engine !== before) this.observe(socket);
      return result;
    };
    return socket;
  }

  get watch() {
    return `watch ${this.cell}`;
  }

  // Notes what the engine below does.
  observe(socket) {
    const { engine } = socket.io;
    const seen = { heartbeats: 0, first: null, upgraded: null };
    // Revision 4: the server pings. Revision 3: the client does, and the server answers.
    const beat = this.protocol === 4 ? 'ping' : 'pong';
    engine.on('packet', ({ type }) => { seen.heartbeats += type === beat ? 1 : 0; });
    engine.on('open', () => { seen.first = engine.transport.name; });
    seen.upgrade = new Promise((resolve) => {
      engine.on('upgrade', (transport) => { seen.upgraded = transport.name; resolve(); });
    });
    socket.seen = seen;
  }

  // Waits until the socket is connected and the transport of the mode is in use.
  async ready(socket) {
    if (!socket.connected) await next(socket, 'connect');
    if (this.mode === 'upgrade') await within(socket.seen.upgrade, 'the upgrade');
    return socket;
  }

  connect(label, options) {
    return this.ready(this.open(label, options));
  }

  // Fails unless both sides say that the mode's transport carries this connection.
  async checkTransport(socket) {
    const { engine } = socket.io;
    assert.deepEqual(await ask(socket, 'transport'), [this.expected, this.protocol], 'what the server says');
    assert.equal(engine.transport.name, this.expected, "the client's transport");
    const { first, upgraded } = socket.seen;
    const wanted = this.mode === 'upgrade' ? ['polling', 'websocket'] : [this.expected, null];
    assert.deepEqual([first, upgraded], wanted, 'the transport at the start, and after an upgrade');
  }

  // Fails if the client is about to come back by itself.
  checkNoRetry(socket) {
    // `active` is the documented answer since 3.x; before, the manager's own flag is all there is.
    if (this.generation >= 3) assert.equal(socket.active, false, 'active');
    else assert.equal(socket.io.skipReconnect, true, 'skipReconnect');
  }
}

module.exports = { Connections, ask, next, plain, within };
