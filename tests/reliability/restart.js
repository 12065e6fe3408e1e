// Many official clients in one process, which talk and listen while their server is restarted.
// Arguments: the server's port, how many clients. "ready" goes to standard output when all have joined; with "finish"
// on standard input they stop and, once every answer is there, what each has seen goes out as a line of JSON.
"use strict";
const { io } = require("sio48");
const { createInterface } = require("node:readline");

const [port, count] = process.argv.slice(2).map(Number);
const KINDS = [["websocket"], ["polling"], ["polling", "websocket"]];
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

class Client {
  constructor(number) {
    this.said = 0;
    this.acked = [];
    this.failed = 0;
    this.pending = 0;
    this.news = [];
    this.connects = [];
    this.reasons = [];
    this.attempts = [];
    const transports = KINDS[number % KINDS.length];
    this.socket = io(`http://127.0.0.1:${port}`, { transports, forceNew: true, auth: { name: `client${number}` } });
    this.socket.on("connect", () => this.connects.push([Date.now(), this.socket.recovered, this.socket.id]));
    this.socket.on("disconnect", (reason) => this.reasons.push(reason));
    this.socket.io.on("reconnect_attempt", () => this.attempts.push(Date.now()));
    this.socket.on("news", (process, value) => this.news.push([process, value]));
  }
  say() {
    if (!this.socket.connected) return;
    const value = this.said++;
    this.pending++;
    this.socket.timeout(60_000).emit("say", value, (error, answer) => {
      this.pending--;
      if (error) this.failed++;
      else this.acked.push(answer);
    });
  }
  async report() {
    const said = await this.socket.timeout(60_000).emitWithAck("said");
    this.socket.disconnect();
    const { acked, failed, news, connects, reasons, attempts } = this;
    return { said, acked, failed, news, connects, reasons, attempts };
  }
}

const clients = Array.from({ length: count }, (_, number) => new Client(number));
const when = (condition, then) => {
  const timer = setInterval(() => {
    if (condition()) {
      clearInterval(timer);
      then();
    }
  }, 20);
};
let next = 0;
// A hundred a second.
const talking = setInterval(() => clients[next++ % count].say(), 10);
when(() => clients.every((client) => client.connects.length === 1 && client.acked.length), () => say("ready"));
createInterface({ input: process.stdin }).on("line", () => {
  when(() => clients.every((client) => client.socket.connected && client.connects.length === 2), () => {
    clearInterval(talking);
    when(() => clients.every((client) => client.pending === 0), async () => {
      for (const client of clients) say(await client.report());
      process.exit(0);
    });
  });
});
