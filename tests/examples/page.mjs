// The chat's page in headless Chromium. Usage: node page.mjs URL SCENARIO CHROMIUM

import assert from "node:assert/strict";

import { launch } from "./chromium.mjs";

const [url, scenario, executable] = process.argv.slice(2);
const browser = await launch(executable);
const quote = JSON.stringify;
const shown = (id) => `document.getElementById(${quote(id)}).textContent`;
const CONTROL = 2;

/** Returns a page of somebody who has come in. */
async function enter(name, room) {
  const page = await browser.open(url);
  await page.until("document.activeElement.id === 'name' && !document.getElementById('enter').disabled");
  await page.type(name);
  await page.run("document.getElementById('room').focus()");
  await page.type(room);
  await page.press("Enter", 13);
  await page.until(`${shown("title")} === ${quote(room)}`);
  await page.until("document.activeElement.id === 'text'");
  return page;
}

async function say(page, text) {
  await page.type(text);
  await page.press("Enter", 13);
}

const sees = (page, text) => page.until(`[...document.querySelectorAll(".text")].some((p) => p.textContent.includes(${quote(text)}))`);
const notices = (page, text) => page.until(`[...document.querySelectorAll(".notice")].some((p) => p.textContent.startsWith(${quote(text)}))`);
const people = (page, names) => page.until(`[...document.querySelectorAll("#people-list .name")].map((e) => e.textContent).join() === ${quote(names)}`);
const delivered = (page, count) => page.until(`document.querySelectorAll("[data-status=delivered]").length === ${count}`);

/** Chooses a drawn picture of that size, which doesn't compress well, as if by the file dialog. */
const choose = (page, width, height) =>
  page.run(`(async () => {
    const canvas = document.createElement("canvas");
    canvas.width = ${width};
    canvas.height = ${height};
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(canvas.width, canvas.height);
    for (let i = 0; i < pixels.data.length; i += 65536) crypto.getRandomValues(pixels.data.subarray(i, i + 65536));
    for (let i = 3; i < pixels.data.length; i += 4) pixels.data[i] = 255;
    context.putImageData(pixels, 0, 0);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    const chosen = new DataTransfer();
    chosen.items.add(new File([blob], "noise.png", { type: "image/png" }));
    document.getElementById("file").files = chosen.files;
    document.getElementById("file").dispatchEvent(new Event("change"));
    return blob.size;
  })()`);

const scenarios = {
  async conversation() {
    const mia = await enter("Mia", "conversation");
    await people(mia, "Mia");
    const jonas = await enter("Jonas", "conversation");
    await people(mia, "Mia,Jonas");
    await people(jonas, "Jonas,Mia");
    await notices(mia, "Jonas came in");
    await mia.type("<b>Hello</b> from https://example.com/a, ");
    await jonas.until(`${shown("typing")} === "Mia is typing"`);
    await say(mia, "and good-bye");
    await sees(jonas, "<b>Hello</b> from https://example.com/a, and good-bye");
    await jonas.until(`${shown("typing")} === ""`);
    await delivered(mia, 1);
    assert.equal(await jonas.run("document.querySelector('.text a').href"), "https://example.com/a");
    assert.equal(await jonas.run("document.querySelectorAll('.text b').length"), 0);
    await mia.until(`/^websocket · [\\d.]+ ms$/.test(${shown("line-text")})`);
    await jonas.run("location.reload()");
    await notices(mia, "Jonas left");
    await people(mia, "Mia");
    return [mia, jonas];
  },

  async picture() {
    const [mia, jonas] = [await enter("Mia", "picture"), await enter("Jonas", "picture")];
    const bytes = await choose(mia, 2000, 1000);
    assert.ok(bytes > 2_000_000);
    await mia.until("!document.getElementById('preview').hidden");
    assert.match(await mia.run(shown("preview-size")), /^\d+ × \d+ · \d+ kB, from \d\.\d MB$/);
    await say(mia, "from the pier");
    await jonas.until("document.querySelector('.picture img').complete");
    const [width, height] = await jonas.run("(({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight])(document.querySelector('.picture img'))");
    assert.ok(width <= 1600);
    assert.ok(Math.abs(width / height - 2) < 0.01);
    const [sent, received] = await Promise.all(
      [mia, jonas].map((page) => page.run(`fetchBytes(document.querySelector(".picture img"))`.replace("fetchBytes", `(async (img) => {
        const canvas = document.createElement("canvas");
        canvas.width = img.naturalWidth;
        canvas.height = img.naturalHeight;
        canvas.getContext("2d").drawImage(img, 0, 0);
        return canvas.toDataURL();
      })`))),
    );
    assert.equal(sent, received);
    await sees(jonas, "from the pier");
    await delivered(mia, 1);
    await jonas.run("document.querySelector('button.picture').click()");
    await jonas.until("document.getElementById('viewer').open");
    await jonas.press("Escape", 27);
    await jonas.until("!document.getElementById('viewer').open");
    return [mia, jonas];
  },

  async rooms() {
    const [mia, jonas] = [await enter("Mia", "first room"), await enter("Jonas", "first room")];
    await jonas.press("k", 75, CONTROL);
    await jonas.type("second room");
    await jonas.press("Enter", 13);
    await jonas.until(`${shown("title")} === "second room"`);
    assert.equal(await jonas.run("decodeURIComponent(location.hash)"), "#second room");
    await notices(mia, "Jonas went to another room");
    const listed = (page, text) => page.until(`[...document.querySelectorAll("#room-list button")].map((b) => b.innerText.replace(/\\s+/g, " ")).join() === ${quote(text)}`);
    await listed(mia, "first room 1,second room 1");
    await say(mia, "only here");
    await mia.run(`[...document.querySelectorAll("#room-list button")][1].click()`);
    await people(jonas, "Jonas,Mia");
    await listed(jonas, "second room 2");
    await say(mia, "only there");
    await sees(jonas, "only there");
    assert.equal(await jonas.run("document.querySelectorAll('.text').length"), 1);
    await mia.run("history.back()");
    await mia.until(`${shown("title")} === "first room"`);
    await sees(mia, "only here");
    return [mia, jonas];
  },

  async reconnection() {
    const [mia, jonas] = [await enter("Mia", "reconnection"), await enter("Jonas", "reconnection")];
    await say(mia, "before");
    await sees(jonas, "before");
    // Cut, and kept from coming back until the others have said something.
    await jonas.call("Network.enable");
    await jonas.run("document.getElementById('cut').click()");
    await jonas.call("Network.emulateNetworkConditions", { offline: true, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
    await jonas.until("document.body.dataset.line === 'away'");
    await people(mia, "Mia");
    await say(mia, "meanwhile");
    await say(jonas, "from the dark");
    await jonas.until("document.querySelector('[data-status=sending]')");
    await jonas.call("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
    await sees(jonas, "meanwhile");
    await sees(mia, "from the dark");
    await notices(mia, "Jonas came in");
    await jonas.until("document.body.dataset.line === 'online'");
    await delivered(jonas, 1);
    const texts = await jonas.run("[...document.querySelectorAll('.text')].map((p) => p.firstChild.textContent).join()");
    assert.equal(texts, "before,meanwhile,from the dark");
    await jonas.run("document.getElementById('cut').click()");
    await notices(mia, "Jonas is back");
    jonas.problems.length = 0; // What could not be loaded meanwhile is among them.
    return [mia, jonas];
  },

  async refusal() {
    const page = await browser.open(url);
    await page.until("document.activeElement.id === 'name' && !document.getElementById('enter').disabled");
    // Longer than the field lets anybody type.
    await page.run("document.getElementById('name').value = 'n'.repeat(25); document.getElementById('enter').click()");
    await page.until(`${shown("problem")} === "Please: a name has 1 to 24 characters."`);
    await page.run("document.getElementById('name').value = 'Mia'; document.getElementById('enter').click()");
    await page.until(`${shown("title")} === "lobby"`);
    return [page];
  },

  async looks() {
    const page = await enter("Mia", "a room with a name that is long");
    await say(page, `${"unbreakable".repeat(30)} and ${"many words ".repeat(60)}`);
    const background = async (scheme) => {
      await page.call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
      const color = await page.run("getComputedStyle(document.body).backgroundColor");
      return Math.max(...color.match(/\d+/g).map(Number));
    };
    assert.ok((await background("light")) > 200);
    assert.ok((await background("dark")) < 60);
    for (const [width, height] of [[1300, 820], [900, 700], [390, 844], [320, 568]]) {
      await page.call("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 500 });
      const fits = `document.scrollingElement.scrollWidth <= ${width} && document.getElementById("log").scrollWidth <= document.getElementById("log").clientWidth`;
      await page.until(`innerWidth === ${width} && ${fits}`);
      const inside = (id) => `(({ left, right, bottom }) => left >= 0 && right <= ${width} && bottom <= ${height})(document.getElementById("${id}").getBoundingClientRect())`;
      for (const id of ["text", "send", "line"]) await page.until(inside(id));
    }
    await page.run("document.querySelector('[data-open=people]').click()");
    await page.until("document.getElementById('people').getBoundingClientRect().right <= innerWidth");
    await page.press("Escape", 27);
    await page.until("getComputedStyle(document.getElementById('people')).visibility === 'hidden'");
    return [page];
  },
};

try {
  const pages = await scenarios[scenario]();
  for (const { problems } of pages) assert.deepEqual(problems, []);
  console.log(`${scenario}: passed`);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
}
