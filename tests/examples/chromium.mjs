// Drives headless Chromium through its debugging pipe: as much of the DevTools protocol as the tests need.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
];

export async function launch(executable, ...more) {
  const profile = await mkdtemp(join(tmpdir(), "chromium-"));
  const child = spawn(executable, [...FLAGS, `--user-data-dir=${profile}`, ...more, "about:blank"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  const [, , , input, output] = child.stdio;
  const waiting = new Map();
  const sessions = new Map();
  let count = 0;
  let rest = "";
  input.on("error", () => {});
  output.setEncoding("utf8").on("data", (data) => {
    const messages = (rest + data).split("\0");
    rest = messages.pop();
    for (const { id, result, error, method, params, sessionId } of messages.map((text) => JSON.parse(text))) {
      if (method) sessions.get(sessionId)?.(method, params);
      else if (error) waiting.get(id).reject(new Error(error.message));
      else waiting.get(id).resolve(result);
      waiting.delete(id);
    }
  });
  gone.then(() => waiting.forEach(({ reject }) => reject(new Error("Chromium has ended"))));

  const send = (method, params = {}, sessionId = undefined) =>
    new Promise((resolve, reject) => {
      waiting.set(++count, { resolve, reject });
      input.write(`${JSON.stringify({ id: count, method, params, sessionId })}\0`);
    });

  /** Opens a tab with storage of its own. What it logs as an error is collected in `problems`. */
  async function open(url) {
    return openIn((await send("Target.createBrowserContext")).browserContextId, url);
  }

  async function openIn(browserContextId, url) {
    const { targetId } = await send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
    const problems = [];
    sessions.set(sessionId, (method, params) => {
      if (method === "Runtime.exceptionThrown") problems.push(params.exceptionDetails.exception?.description);
      if (method === "Log.entryAdded" && params.entry.level === "error") problems.push(params.entry.text);
    });
    const call = (method, params) => send(method, params, sessionId);
    await Promise.all([call("Page.enable"), call("Runtime.enable"), call("Log.enable")]);
    await call("Page.navigate", { url });

    /** Returns the value of an expression (or of what it promises). */
    async function run(expression) {
      const answer = await call("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true, userGesture: true });
      if (answer.exceptionDetails) throw new Error(`${expression}: ${answer.exceptionDetails.exception.description}`);
      return answer.result.value;
    }

    /** Waits until an expression is true; it may fail while the page still loads. */
    async function until(expression, seconds = 15) {
      const deadline = Date.now() + seconds * 1000;
      for (;;) {
        if (await run(`(() => { try { return Boolean(${expression}); } catch { return false; } })()`).catch(() => false)) return;
        if (Date.now() > deadline) throw new Error(`still not true: ${expression}; problems: ${problems.join(" | ")}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }

    const type = (text) => call("Input.insertText", { text });
    async function press(key, code, modifiers = 0) {
      const text = key === "Enter" && !modifiers ? "\r" : undefined;
      await call("Input.dispatchKeyEvent", { type: "keyDown", key, code: key, windowsVirtualKeyCode: code, modifiers, text });
      await call("Input.dispatchKeyEvent", { type: "keyUp", key, code: key, windowsVirtualKeyCode: code, modifiers });
    }
    /** Opens another tab with the same storage. */
    const another = (address) => openIn(browserContextId, address);
    return { call, run, until, type, press, another, problems };
  }

  async function close() {
    send("Browser.close").catch(() => {});
    const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
    await gone;
    clearTimeout(timer);
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }

  return { open, close };
}
