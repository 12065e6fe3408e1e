const { Emitter } = require("@socket.io/component-emitter");
const { io } = require("socket.io-client");

class Encoder {
  encode({ type, nsp, data = null, id = null }) {
    return [JSON.stringify([type, nsp, data, id])];
  }
}

class Decoder extends Emitter {
  add(message) {
    const [type, nsp, data, id] = JSON.parse(message);
    this.emit("decoded", { type, nsp, data, id: id ?? undefined });
  }
  destroy() {}
}

const socket = io("http://127.0.0.1:3000", { parser: { Encoder, Decoder } });
socket.emit("echo", "hello", { n: 1 }, (...values) => console.log("it says:", ...values));
