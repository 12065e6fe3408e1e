"use strict";
// Frames by hand, for what `ws` refuses to send: each with the close code that a conforming server answers.

const zlib = require("node:zlib");

const MASK = Buffer.from([0x12, 0x34, 0x56, 0x78]);
const [CONT, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];

function frame(opcode, payload = "", { fin = true, rsv = 0, masked = true, announced } = {}) {
  const data = Buffer.from(payload);
  const length = announced ?? BigInt(data.length);
  const head = [(fin ? 0x80 : 0) | rsv | opcode];
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(length);
  const bit = masked ? 0x80 : 0;
  if (length < 126) head.push(bit | Number(length));
  else if (length < 65_536) head.push(bit | 126, ...size.subarray(6));
  else head.push(bit | 127, ...size);
  if (!masked) return Buffer.concat([Buffer.from(head), data]);
  return Buffer.concat([Buffer.from(head), MASK, data.map((byte, index) => byte ^ MASK[index % 4])]);
}

function code(number, reason = "") {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(number);
  return Buffer.concat([head, Buffer.from(reason)]);
}

// Violations of the framing; `compressed` tells whether permessage-deflate was agreed on.
function bad(compressed) {
  const found = {};
  for (const opcode of [TEXT, BINARY, CLOSE, PING, PONG]) {
    // The first reserved bit says that a message is compressed, where that was agreed on.
    const bits = compressed && opcode <= BINARY ? [0x10, 0x20, 0x50, 0x60] : [0x10, 0x20, 0x40, 0x70];
    for (const rsv of bits) found[`reserved bits ${rsv} of opcode ${opcode}`] = [frame(opcode, "", { rsv }), 1002];
  }
  for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) found[`opcode ${opcode}`] = [frame(opcode, "x"), 1002];
  const open = (opcode, payload) => frame(opcode, payload, { fin: false });
  Object.assign(found, {
    "a ping of 126 bytes": [frame(PING, "x".repeat(126)), 1002],
    "a pong of 126 bytes": [frame(PONG, "x".repeat(126)), 1002],
    "a close of 126 bytes": [frame(CLOSE, code(1000, "x".repeat(124))), 1002],
    "a ping in fragments": [open(PING, "a"), 1002],
    "a pong in fragments": [open(PONG, "a"), 1002],
    "a close in fragments": [open(CLOSE, code(1000)), 1002],
    "a continuation of nothing": [frame(CONT, "x"), 1002],
    "an unfinished continuation of nothing": [open(CONT, "x"), 1002],
    "a text within a message": [Buffer.concat([open(TEXT, "a"), frame(TEXT, "b")]), 1002],
    "a binary within a message": [Buffer.concat([open(BINARY, "a"), frame(BINARY, "b")]), 1002],
    "a text without mask": [frame(TEXT, "x", { masked: false }), 1002],
    "a length with the highest bit": [frame(BINARY, "", { announced: 1n << 63n }), 1009],
    "a length beyond the limit": [frame(BINARY, "", { announced: 17n << 20n }), 1009],
    "a reserved bit behind the first fragment": [
      Buffer.concat([open(TEXT, "a"), frame(CONT, "b", { rsv: 0x40 })]), 1002,
    ],
  });
  for (const hex of ["80", "c0af", "eda080", "f4908080", "f8888080", "cebae1", "fffe"]) {
    const data = Buffer.from(hex, "hex");
    found[`the text ${hex}`] = [frame(TEXT, data), 1007];
    found[`the text ${hex} in fragments`] = [
      Buffer.concat([open(TEXT, data.subarray(0, 1)), frame(CONT, data.subarray(1))]), 1007,
    ];
  }
  if (compressed) {
    const wrong = zlib.deflateRawSync(Buffer.from("eda080", "hex"), { finishFlush: zlib.constants.Z_SYNC_FLUSH });
    found["a compressed text that isn't UTF-8"] = [frame(TEXT, wrong.subarray(0, -4), { rsv: 0x40 }), 1007];
    found["compressed data that isn't any"] = [frame(BINARY, Buffer.alloc(20, 0xff), { rsv: 0x40 }), 1007];
  }
  return found;
}

// Close frames that aren't allowed.
function closes() {
  const found = {};
  for (const number of [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]) {
    found[`the close code ${number}`] = [frame(CLOSE, code(number)), 1002];
  }
  found["a close of one byte"] = [frame(CLOSE, Buffer.of(3)), 1002];
  found["a close reason that isn't UTF-8"] = [frame(CLOSE, Buffer.concat([code(1000), Buffer.from([0xed, 0xa0, 0x80])])), 1007];
  return found;
}

// A message of zeros, compressed.
function expanding(length) {
  const data = zlib.deflateRawSync(Buffer.alloc(length), { finishFlush: zlib.constants.Z_SYNC_FLUSH });
  return frame(BINARY, data.subarray(0, -4), { rsv: 0x40 });
}

module.exports = { bad, closes, expanding, frame };
