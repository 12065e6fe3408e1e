'use strict';
// Checks of how a connection ends, and with which reason on each side. `main` watches: the server tells it who has
// left, and why.

const { strict: assert } = require('node:assert');
const { next, within } = require('./connection.js');

// The server's reason for which the connection with this label has left the namespace.
function left(main, label, namespace = '/') {
  let listener;
  const reason = new Promise((resolve) => {
    listener = (who, where, why) => { if (who === label && where === namespace) resolve(why); };
    main.on('left', listener);
  });
  return within(reason, `the server to notice that "${label}" left`).finally(() => main.off('left', listener));
}

// Connects, ends it, and compares what both sides say.
async function ending({ connections, main }, { label, end, server, client, retries }) {
  const socket = await connections.connect(label);
  const reason = left(main, label);
  const gone = next(socket, 'disconnect');
  end(socket);
  assert.equal((await gone)[0], client, "the client's reason");
  if (retries) {
    // By itself: nobody calls connect().
    await next(socket, 'connect', 'the automatic reconnection');
  } else {
    connections.checkNoRetry(socket);
  }
  assert.equal(await reason, server, "the server's reason");
  const again = retries ? left(main, label) : null;
  socket.disconnect();
  if (again) assert.equal(await again, 'client namespace disconnect');
}

const checks = {
  'the client disconnects': (context) => ending(context, {
    label: 'leaver',
    end: (socket) => socket.disconnect(),
    server: 'client namespace disconnect',
    client: 'io client disconnect',
  }),

  async 'the client disconnects while it upgrades'({ connections, main }) {
    const socket = connections.open('hasty');
    await next(socket, 'connect');
    const reason = left(main, 'hasty');
    socket.disconnect();
    assert.equal(await reason, 'client namespace disconnect');
  },

  'the server disconnects': (context) => ending(context, {
    label: 'kicked',
    end: (socket) => socket.emit('kick', false),
    server: 'server namespace disconnect',
    client: 'io server disconnect',
  }),

  'the server disconnects and closes': (context) => ending(context, {
    label: 'kicked out',
    end: (socket) => socket.emit('kick', true),
    server: 'server namespace disconnect',
    client: 'io server disconnect',
  }),

  'the connection is closed by the client': (context) => ending(context, {
    label: 'closer',
    end: (socket) => socket.io.engine.close(),
    server: 'transport close',
    client: 'forced close',
    retries: true,
  }),

  'the connection is closed by the server': (context) => ending(context, {
    label: 'dropped',
    end: (socket) => socket.emit('drop'),
    server: 'forced close',
    client: 'transport close',
    retries: true,
  }),
};

module.exports = { disconnects: { checks, left }, left };
