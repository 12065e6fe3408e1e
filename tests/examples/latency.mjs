// examples/flask/latency.py in headless Chromium. Usage: node latency.mjs URL CHROMIUM

import { launch } from "./chromium.mjs";

const [url, executable] = process.argv.slice(2);
const browser = await launch(executable);

try {
  const page = await browser.open(url);
  await page.until(`Number(document.getElementById("latency").textContent) > 0`);
  await page.until(`document.getElementById("transport").textContent === "websocket"`);
} finally {
  await browser.close();
}
