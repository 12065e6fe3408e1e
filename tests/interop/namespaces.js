'use strict';
// Checks of namespaces beside the main one, on the main connection.

const { strict: assert } = require('node:assert');
const { ask, next, plain } = require('./connection.js');
const { left } = require('./disconnects.js');

// Before 3.x a refusal came as the event "error" with the payload itself; since, as "connect_error" with an Error.
async function refusal({ connections, main }, name) {
  const socket = main.io.socket(name);
  const [error] = await next(socket, connections.protocol === 3 ? 'error' : 'connect_error');
  if (connections.protocol === 3) {
    socket.disconnect();
    return error;
  }
  assert.ok(error instanceof Error);
  // A refused client doesn't try again by itself; 3.x does with the next reconnection.
  if (connections.generation > 3) assert.equal(socket.active, false);
  socket.disconnect();
  return error.data === undefined ? { message: error.message } : { message: error.message, data: error.data };
}

async function checkRefusal(context, name, wanted) {
  const { connections, main } = context;
  assert.deepEqual(await refusal(context, name), wanted[connections.protocol]);
  // The connection and its other namespaces stay.
  assert.deepEqual(await ask(main, 'echo', name), [name]);
}

const namespaces = {
  async 'a second namespace'({ connections, main }) {
    const chat = main.io.socket('/chat');
    const [[hello]] = await Promise.all([next(chat, 'welcome'), next(chat, 'connect')]);
    assert.equal(hello.namespace, '/chat');
    if (connections.protocol === 4) assert.notEqual(hello.id, main.id);
    else assert.equal(hello.id, `/chat#${main.id}`);
    // 1.x makes up its ids by itself, and gives every namespace the main one's.
    if (connections.generation > 1) assert.equal(chat.id, hello.id);
    let strayed = false;
    main.once('message', () => { strayed = true; });
    const back = next(chat, 'message');
    chat.send('in here', Buffer.from([1, 2]));
    assert.deepEqual(plain(await back), ['in here', Buffer.from([1, 2])]);
    assert.deepEqual(plain(await ask(chat, 'echo', { a: Buffer.from([3]) })), [{ a: Buffer.from([3]) }]);
    await ask(main, 'echo');
    assert.equal(strayed, false, "an event of the namespace isn't one of the main one");
    main.off('message');
  },

  async 'a namespace is left and joined again'({ main }) {
    const chat = main.io.socket('/chat');
    assert.equal(chat.connected, true);
    for (const leave of ['by the client', 'by the server']) {
      const gone = next(chat, 'disconnect');
      const reason = left(main, 'main', '/chat');
      if (leave === 'by the client') chat.disconnect();
      else chat.emit('kick', false);
      const client = leave === 'by the client';
      assert.deepEqual(await gone.then(([why]) => why), client ? 'io client disconnect' : 'io server disconnect');
      assert.equal(await reason, client ? 'client namespace disconnect' : 'server namespace disconnect');
      assert.deepEqual(await ask(main, 'echo', leave), [leave], 'the connection stays');
      const again = next(chat, 'connect');
      chat.connect();
      await again;
      assert.deepEqual(await ask(chat, 'echo', leave), [leave]);
    }
    chat.disconnect();
  },

  async 'a namespace that asks for a token'({ connections, main }) {
    // Since 3.x by `auth`, in 2.x (and 1.x) by the query of the namespace, which the server takes for `auth`.
    const options = connections.protocol === 4 ? { auth: { token: 'sesame' } } : { query: 'token=sesame' };
    const guarded = main.io.socket('/guarded', options);
    const [hello] = await next(guarded, 'welcome');
    assert.deepEqual(hello.auth, { token: 'sesame' });
    const gone = left(main, 'main', '/guarded');
    guarded.disconnect();
    await gone;
  },

  async 'a query behind the name of a namespace'(context) {
    const { connections, main } = context;
    if (connections.protocol === 4) {
      // It is part of the name, since 3.x.
      await checkRefusal(context, '/chat?token=sesame', { 4: { message: 'Invalid namespace' } });
      return;
    }
    // Before, it was added to the query of the connection. (Node's server 4.x gives it as `auth` only.)
    const guarded = main.io.socket('/guarded', { query: 'token=sesame' });
    guarded.connect();
    const [hello] = await next(guarded, 'welcome');
    assert.deepEqual([hello.query.token, hello.query.label], ['sesame', 'main']);
    guarded.disconnect();
  },

  async 'a refused namespace'(context) {
    await checkRefusal(context, '/refused', { 3: 'not allowed', 4: { message: 'not allowed' } });
  },

  async 'a namespace refused with data'(context) {
    const data = { code: 42, why: ['no', 'entry'] };
    await checkRefusal(context, '/refused/data', { 3: data, 4: { message: 'not allowed', data } });
  },

  async 'an unknown namespace'(context) {
    const message = 'Invalid namespace';
    // Revision 3, too, gets an object here: Node's server sends it without looking at the revision.
    await checkRefusal(context, '/unknown', { 3: { message }, 4: { message } });
  },
};

module.exports = { namespaces };
