'use strict';
// The checks, by name, in the order in which they run. Each gets the context of driver.js; the first makes
// `context.main`, the connection that the others share. `app.py` is the other side.

const { strict: assert } = require('node:assert');
const { ask, next, plain, within } = require('./connection.js');
const { disconnects } = require('./disconnects.js');
const { namespaces } = require('./namespaces.js');

const AUTH = { token: 'sesame', nested: { list: [1, null, 'zoë 🎉'] } };
const HEADER = 'seen by the server';
const UNICODE = 'grüße \u2028 日本語 🎉 👩‍👩‍👧 \u{10ffff}';

// A text in which a lost, doubled or moved part shows.
function text(length) {
  let result = '';
  for (let position = 0; result.length < length; position += 1) result += `${position.toString(36)} `;
  return result.slice(0, length);
}

// Fails without printing a megabyte.
function sameText(got, wanted) {
  if (got === wanted) return;
  let at = 0;
  while (got[at] === wanted[at]) at += 1;
  assert.fail(`${wanted.length} characters became ${got.length}, different from ${at}: `
    + `${JSON.stringify(got.slice(at, at + 40))} instead of ${JSON.stringify(wanted.slice(at, at + 40))}`);
}

const bytes = (...values) => Buffer.from(values);
const nested = () => ({
  first: bytes(0, 1, 2, 255),
  list: ['text', bytes(), { deep: [null, bytes(0x80, 0x0a, 0x1e)] }, 42],
});
// What the server's "describe" makes of it: proof that bytes have arrived as bytes.
const described = {
  first: { bytes: '000102ff' },
  list: ['text', { bytes: '' }, { deep: [null, { bytes: '800a1e' }] }, 42],
};

const checks = {
  async 'connect with query, header and auth'(context) {
    const { connections } = context;
    // The server tells it back: 1.x couldn't read that over polling if it weren't ASCII (see below, Unicode).
    const sent = { name: connections.generation === 1 ? 'zoe & co?=1' : 'zoë & co?=1', empty: '' };
    const options = { query: sent, auth: AUTH, extraHeaders: { 'x-interop': HEADER } };
    const socket = connections.open('main', options);
    // The event is emitted by the server's "connection" handler: it may come right behind the CONNECT.
    const [[hello]] = await Promise.all([next(socket, 'welcome'), next(socket, 'connect')]);
    context.main = socket;
    context.watchMain();
    await connections.ready(socket);
    await ask(socket, 'join', connections.watch);
    const query = { name: hello.query.name, empty: hello.query.empty, label: hello.query.label };
    assert.deepEqual(query, { ...sent, label: 'main' });
    assert.equal(hello.query.EIO, String(connections.protocol));
    assert.equal(hello.header, HEADER);
    // Before 3.x there was no `auth`.
    assert.deepEqual(hello.auth, connections.protocol === 4 ? AUTH : {});
    assert.equal(hello.id, socket.id);
  },

  async 'the transport of the mode is in use'({ connections, main }) {
    await connections.checkTransport(main);
  },

  async 'an event and its acknowledgement'({ main }) {
    const values = ['text', 0, -1.5, true, null, [], {}, [[1], { a: { b: ['c'] } }], '', '"\\\n\u0000'];
    assert.deepEqual(await ask(main, 'echo', ...values), values);
  },

  async 'an event back'({ main }) {
    const back = next(main, 'message');
    main.send('one', { two: 2 });
    assert.deepEqual(await back, ['one', { two: 2 }]);
  },

  async 'acknowledgements with no, one and several values'({ main }) {
    assert.deepEqual(await ask(main, 'values', 0), []);
    assert.deepEqual(await ask(main, 'values', 1), [0]);
    assert.deepEqual(await ask(main, 'values', 3), [0, 1, 2]);
    assert.deepEqual(await ask(main, 'one list'), [[0, 1, 2]]);
  },

  async 'binary in events both ways'({ main }) {
    const back = next(main, 'message');
    main.send(nested(), 'and', bytes(7));
    assert.deepEqual(plain(await back), [nested(), 'and', bytes(7)]);
    assert.deepEqual(await ask(main, 'describe', nested()), [described]);
    const large = Buffer.alloc(100_000, bytes(0, 0xff, 0x1e, 0x3a, 0x62));
    assert.deepEqual(plain(await ask(main, 'echo', large)), [large]);
  },

  async 'binary in acknowledgements both ways'({ main }) {
    assert.deepEqual(plain(await ask(main, 'echo', nested(), bytes(1))), [nested(), bytes(1)]);
    main.once('question', (value, answer) => answer(plain(value), bytes(9)));
    const [result] = await ask(main, 'ask', nested());
    assert.deepEqual(result.described, [described, { bytes: '09' }]);
    assert.deepEqual(plain(result.values), [nested(), bytes(9)]);
  },

  async 'a text of 100 KiB'({ main }) {
    const wanted = text(100 * 1024);
    sameText((await ask(main, 'echo', wanted))[0], wanted);
  },

  async 'a text of 900 KiB'({ main }) {
    const wanted = text(900 * 1024);
    sameText((await ask(main, 'echo', wanted))[0], wanted);
  },

  async 'Unicode outside the BMP'({ connections, main }) {
    // 1.x writes the text of a polling packet as UTF-8 in which each byte is a character, which is then encoded
    // a second time; no server undoes that, so the server sees one character per byte. 1.x also expects it of
    // what it reads: an echo comes back whole, and what the server says by itself must have been encoded once
    // by the application (as it stands it would be a parse error, which ends the connection). Over WebSocket
    // the same client encodes once.
    const twice = connections.generation === 1 && connections.mode === 'polling';
    const seen = twice ? Buffer.from(UNICODE).toString('latin1') : UNICODE;
    const points = Array.from(seen, (character) => character.codePointAt(0));
    assert.deepEqual(await ask(main, 'code points', UNICODE), [points], 'what the server sees');
    assert.deepEqual(await ask(main, 'from code points', points), [UNICODE], 'what the server says');
    assert.deepEqual(await ask(main, 'echo', { [UNICODE]: [UNICODE] }), [{ [UNICODE]: [UNICODE] }]);
    return twice ? 'encoded twice, as 1.x does over polling' : '';
  },

  // In the upgrade mode the events span the upgrade.
  async 'events and acknowledgements stay in order from the start'({ connections }) {
    const socket = connections.open('numbers');
    const [events, acks] = [[], []];
    socket.on('number', (number) => events.push(number));
    await next(socket, 'connect');
    let sent = 0;
    let upgraded = connections.mode !== 'upgrade';
    socket.seen.upgrade.then(() => { upgraded = true; });
    while (sent < 50 || (!upgraded && sent < 2000)) {
      const extra = sent % 5 ? 'text' : bytes(sent % 256);
      socket.emit('number', sent, extra, (number) => acks.push(number));
      sent += 1;
      // A pause, or the client would never come to its upgrade.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await connections.ready(socket);
    await ask(socket, 'echo');
    const wanted = Array.from({ length: sent }, (_, number) => number);
    assert.deepEqual(events, wanted, 'the events');
    assert.deepEqual(acks, wanted, 'the acknowledgements');
    await connections.checkTransport(socket);
    socket.disconnect();
    return `${sent} events`;
  },

  async 'call from inside a handler'({ main }) {
    const answers = [[], ['one'], ['two', { three: [3] }]];
    const kinds = ['none', 'one', 'several'];
    for (const [index, values] of answers.entries()) {
      main.once('question', (first, second, answer) => {
        assert.deepEqual([first, second], ['why', index]);
        answer(...values);
      });
      const [result] = await ask(main, 'ask', 'why', index);
      assert.deepEqual([result.kind, result.values], [kinds[index], values]);
    }
    const asked = next(main, 'question');
    assert.deepEqual(await ask(main, 'ask in vain'), ['timeout']);
    await asked;
  },

  async 'an acknowledgement by callback'({ main }) {
    const answered = next(main, 'answered');
    main.once('question', (value, answer) => answer(value + 1, 'more'));
    main.emit('ask later', 41);
    assert.deepEqual(await answered, [42, 'more']);
  },

  ...namespaces,

  async rooms({ connections, main }) {
    const room = `room ${connections.cell}`;
    const [mate, stranger] = await Promise.all([connections.connect('mate'), connections.connect('stranger')]);
    const everyone = { main, mate, stranger };
    const heard = [];
    const tokens = new Set();
    const listeners = Object.entries(everyone).map(([name, socket]) => {
      const listener = (token) => tokens.has(token) && heard.push(`${name} ${token}`);
      socket.on('said', listener);
      return () => socket.off('said', listener);
    });
    // Who hears it. A room's message is on its way to everyone before the speaker's acknowledgement is, and
    // each connection is in order: behind its own echo nothing of it can come any more.
    const say = async (how, ...args) => {
      const token = `${how} ${connections.cell} ${tokens.size}`;
      tokens.add(token);
      await ask(main, `say ${how}`, token, ...args);
      await Promise.all(Object.values(everyone).map((socket) => ask(socket, 'echo')));
      return heard.splice(0).map((entry) => entry.replace(` ${token}`, '')).sort();
    };
    assert.deepEqual(await ask(main, 'join', room), [[room, connections.watch].sort()]);
    assert.deepEqual(await ask(mate, 'join', room), [[room]]);
    assert.deepEqual(await say('to', room), ['mate'], "socket.to: the room without the speaker");
    assert.deepEqual(await say('in', room), ['main', 'mate'], 'io.in: the room');
    assert.deepEqual(await say('in', room, room), ['main', 'mate'], 'each once');
    assert.deepEqual(await say('except', room, mate.id), ['main'], 'io.to.except');
    assert.deepEqual(await say('in', stranger.id), ['stranger'], 'the room of an id');
    assert.deepEqual(await say('broadcast'), ['mate', 'stranger'], 'socket.broadcast');
    assert.deepEqual(await say('all'), ['main', 'mate', 'stranger'], 'io.emit');
    assert.deepEqual(await ask(mate, 'leave', room), [[]]);
    assert.deepEqual(await say('in', room), ['main'], 'after the mate has left the room');
    const left = disconnects.left(main, 'mate');
    mate.disconnect();
    await left;
    stranger.disconnect();
    listeners.forEach((off) => off());
    assert.deepEqual(await ask(main, 'leave', room), [[connections.watch]]);
  },

  ...disconnects.checks,

  async 'the heartbeat'({ main }) {
    const { engine } = main.io;
    while (main.seen.heartbeats < 2) await next(engine, 'packet', 'a heartbeat');
    assert.equal(main.connected, true);
  },

  async 'the transport is still in use at the end'({ connections, main }) {
    await connections.checkTransport(main);
  },
};

const reconnection = {
  async 'reconnection after the server was killed'({ connections, main, told, ready }) {
    const before = main.id;
    const gone = new Promise((resolve) => main.once('disconnect', resolve));
    ready();
    await told('down');
    const reason = await within(gone, 'the event "disconnect" after the server was killed');
    assert.match(reason, /^transport (close|error)$/);
    const back = new Promise((resolve) => main.once('connect', resolve));
    const kept = new Promise((resolve) => main.emit('echo', 'while away', resolve));
    await told('up');
    await within(back, 'the event "connect" after the server was started again');
    assert.notEqual(main.id, before);
    assert.equal(await within(kept, 'the event emitted while away'), 'while away');
    await connections.ready(main);
    await connections.checkTransport(main);
    assert.deepEqual(plain(await ask(main, 'echo', nested())), [nested()]);
    main.disconnect();
    return reason;
  },
};

module.exports = { checks, reconnection };
