'use strict';
// Runs the checks of one cell of the matrix: one generation of the client in one transport mode against one server.
//
//   node driver.js --client sio48 --mode polling|websocket|upgrade --url http://127.0.0.1:3000 [--no-restart]
//
// NODE_PATH names the folder that holds the clients. Prints one JSON object a line: first {"plan": [names]}, then
// {"name", "ok", "detail", "ms"} per check. Before the last check it prints {"ready": "restart"}; whoever started
// the driver then kills the server, writes "down", starts it again on the same port, and writes "up".

const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { parseArgs } = require('node:util');
const { checks, reconnection } = require('./checks.js');
const { Connections, within } = require('./connection.js');

const BARRIER = 180_000;

const { values: options } = parseArgs({
  options: {
    client: { type: 'string' },
    mode: { type: 'string' },
    url: { type: 'string' },
    'no-restart': { type: 'boolean', default: false },
  },
});

// Synchronously, so that nothing is lost when the process ends.
function print(line) {
  fs.writeSync(1, `${JSON.stringify(line)}\n`);
}

function explain(error) {
  const text = error instanceof Error ? error.message : JSON.stringify(error);
  const place = error instanceof Error ? (error.stack.match(/checks\.js:\d+/) || [''])[0] : '';
  return `${text.slice(0, 1500)}${place && ` (${path.basename(place)})`}`;
}

async function run(name, check, context) {
  const started = Date.now();
  try {
    const detail = await check(context);
    print({ name, ok: true, detail: detail || '', ms: Date.now() - started });
  } catch (error) {
    print({ name, ok: false, detail: explain(error), ms: Date.now() - started });
  }
}

async function main() {
  const { client, mode, url } = options;
  const connections = new Connections({ client, mode, url, cell: `${client} ${mode}` });
  const plan = Object.keys(checks).concat(options['no-restart'] ? [] : Object.keys(reconnection));
  print({ plan });

  const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const told = async (word) => {
    const { value } = await within(lines.next(), `"${word}" on the standard input`, BARRIER);
    if (value !== word) throw new Error(`expected "${word}" on the standard input, got ${value}`);
  };
  let lost = null;
  const context = {
    connections,
    told,
    ready: () => print({ ready: 'restart' }),
    main: null,
    watchMain: () => context.main.on('disconnect', (reason) => { lost = reason; }),
  };
  for (const [name, check] of Object.entries(checks)) {
    await run(name, check, context);
    if (!context.main || lost) {
      // Every other check needs it; one that is missing counts as failed.
      const detail = `lost during the check "${name}": ${lost || 'never connected'}`;
      print({ name: 'the main connection', ok: false, detail, ms: 0 });
      return;
    }
  }
  if (!options['no-restart']) {
    for (const [name, check] of Object.entries(reconnection)) await run(name, check, context);
  }
}

process.on('unhandledRejection', (error) => {
  print({ name: 'unhandled rejection', ok: false, detail: explain(error), ms: 0 });
});
main().then(() => process.exit(0), (error) => {
  print({ name: 'driver', ok: false, detail: explain(error), ms: 0 });
  process.exit(1);
});
