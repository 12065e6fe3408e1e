// The state of the connection: its transport, how long a round trip takes, and ways to disturb it.

import { $, showGraph, showLine } from "./view.js";

const MEASURED = 40; // round trips on the graph
const PERIOD = 3_000;

const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

/** Shows on the page how `socket` is connected. */
export function watchLine(socket) {
  const latencies = [];
  let reconnections = 0;

  function showOnline() {
    const transport = socket.io.engine.transport.name;
    const latency = latencies.length ? milliseconds(latencies.at(-1)) : "–";
    showLine("online", latencies.length ? `${transport} · ${latency}` : transport);
    $("fact-transport").textContent = transport;
    $("fact-latency").textContent = latency;
  }

  /** Measures a round trip: an event without arguments, acknowledged without values. */
  function measure() {
    if (!socket.connected) return;
    const start = performance.now();
    socket.volatile.timeout(5_000).emit("latency", (error) => {
      if (error) return;
      latencies.push(performance.now() - start);
      latencies.splice(0, latencies.length - MEASURED);
      showGraph(latencies);
      showOnline();
    });
  }

  socket.on("connect", () => {
    $("fact-id").textContent = socket.id;
    $("fact-since").textContent = new Date().toLocaleTimeString();
    $("fact-reconnections").textContent = reconnections;
    showOnline();
    socket.io.engine.once("upgrade", showOnline);
    setTimeout(measure, 300); // what a new connection begins with would be measured, too
  });

  socket.on("disconnect", (reason) => {
    const final = reason === "io server disconnect";
    showLine(final ? "off" : "away", final ? "the server hung up" : "reconnecting …");
  });

  socket.io.on("reconnect_attempt", (attempt) => showLine("away", `reconnecting … ${attempt}`));
  socket.io.on("reconnect", () => (reconnections += 1));

  $("cut").addEventListener("click", () => socket.io.engine.close());
  for (const choice of document.querySelectorAll("[name=transports]")) {
    choice.addEventListener("change", () => {
      socket.io.opts.transports = choice.value.split(",");
      socket.io.engine.close();
    });
  }
  setInterval(measure, PERIOD);
}
