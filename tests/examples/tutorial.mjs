// Each step of the tutorial in headless Chromium. Usage: node tutorial.mjs URL STEP CHROMIUM

import assert from "node:assert/strict";

import { launch } from "./chromium.mjs";

const [url, step, executable] = process.argv.slice(2);
const browser = await launch(executable);
const quote = JSON.stringify;

const status = (page, text) => page.until(`document.getElementById("status").textContent.includes(${quote(text)})`);
const sees = (page, text) =>
  page.until(`[...document.querySelectorAll("#messages li")].some((item) => item.textContent.endsWith(${quote(text)}))`);
const lines = (page) => page.run(`[...document.querySelectorAll("#messages li")].map((item) => item.textContent)`);

async function open(query = "") {
  const page = await browser.open(url + query);
  await page.until("socket");
  await page.run("document.getElementById('text').focus()");
  return page;
}

async function say(page, text) {
  await page.type(text);
  await page.press("Enter", 13);
}

const steps = {
  async 1() {
    const page = await open();
    await status(page, "Hello, ");
    await page.until("socket.io.engine.transport.name === 'websocket'");
    return [page];
  },

  async 2() {
    const [ann, bob] = [await open(), await open()];
    await status(ann, "connected");
    await status(bob, "connected");
    await say(ann, "<b>hello</b>");
    for (const page of [ann, bob]) await sees(page, ": <b>hello</b>");
    return [ann, bob];
  },

  async 3() {
    const [ann, bob] = [await open(), await open()];
    await status(bob, "connected");
    await say(ann, "hello");
    await sees(ann, "me: hello");
    await sees(bob, ": hello");
    await say(ann, "");
    await sees(ann, "not sent: message: Expected `str` of length >= 1 - at `message.text`");
    const answer = await ann.run("socket.emitWithAck('message', { text: 42 })");
    assert.equal(answer.error.type, "PayloadError");
    assert.equal((await lines(bob)).length, 1);
    return [ann, bob];
  },

  async 4() {
    const ann = await open("?name=Ann");
    await status(ann, "connected");
    await status(await open(), "refused: a name has 1 to 20 characters");
    await status(await open("?name=Ann"), "refused: Ann is here already");
    const bob = await open("?name=Bob");
    await status(bob, "connected");
    await say(bob, "hello");
    await sees(ann, "Bob: hello");
    return [ann, bob];
  },

  async 5() {
    const [ann, bob] = [await open("?name=Ann&room=tea"), await open("?name=Bob&room=tea")];
    const eve = await open("?name=Eve&room=coffee");
    await status(ann, "here: Ann, Bob");
    await status(eve, "here: Eve");
    // Volatile: lost on a transport that isn't ready.
    await ann.until("socket.io.engine.transport.name === 'websocket'");
    await bob.until("socket.io.engine.transport.name === 'websocket'");
    await ann.type("hel");
    await status(bob, "Ann is typing");
    await say(ann, "lo");
    await sees(bob, "Ann: hello");
    assert.deepEqual(await lines(eve), []);
    await bob.run("location.href = 'about:blank'");
    await status(ann, "here: Ann");
    return [ann, eve];
  },

  async 6() {
    const [ann, bob] = [await open("?name=Ann"), await open("?name=Bob")];
    await sees(bob, "you are here");
    await ann.until("socket.connected");
    await bob.run("void socket.io.engine.close()");
    await status(bob, "disconnected: forced close");
    await say(ann, "are you there?");
    await sees(ann, "me: are you there?");
    await sees(bob, "Ann: are you there?");
    await sees(bob, "back again, nothing was missed");
    return [ann, bob];
  },
};

try {
  const pages = await steps[step]();
  for (const { problems } of pages) {
    // The tutorial's pages have no icon.
    assert.deepEqual(problems.filter((problem) => !problem.includes("404")), []);
  }
} finally {
  await browser.close();
}
