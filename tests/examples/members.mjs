// examples/flask/members.py in headless Chromium: two tabs of one user. Usage: node members.mjs URL CHROMIUM

import assert from "node:assert/strict";

import { launch } from "./chromium.mjs";

const [url, executable] = process.argv.slice(2);
const browser = await launch(executable);
const quote = JSON.stringify;
const status = (page, text) => page.until(`document.getElementById("status").textContent === ${quote(text)}`);
const sees = (page, text) =>
  page.until(`[...document.querySelectorAll("#messages li")].some((item) => item.textContent === ${quote(text)})`);

try {
  const stranger = await browser.open(url);
  await status(stranger, "refused: Connection rejected by server");
  const first = await browser.open(`${url}/login?name=Ann`);
  await status(first, "here as Ann");
  const second = await first.another(url);
  await status(second, "here as Ann");
  const bob = await browser.open(`${url}/login?name=Bob`);
  await status(bob, "here as Bob");
  await first.run("void socket.emit('say', 'hello')");
  for (const page of [first, second, bob]) await sees(page, "Ann: hello");
  assert.equal(await first.run("fetch('/logout').then((answer) => answer.text())"), "good-bye");
  await status(second, "disconnected: io server disconnect");
  await status(first, "disconnected: io server disconnect");
  await bob.run("void socket.emit('say', 'still here')");
  await sees(bob, "Bob: still here");
  assert.equal(await second.run("document.querySelectorAll('#messages li').length"), 1);
} finally {
  await browser.close();
}
