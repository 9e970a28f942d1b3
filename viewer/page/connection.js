// The line to the server. It comes back by itself when the server does.

const TYPES = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, f32: Float32Array,
  i8: Int8Array };

function parsed(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  for (const [name, type, count] of header.arrays) {
    header[name] = new TYPES[type](buffer, at, count);
    at += Math.ceil(header[name].byteLength / 4) * 4;
  }
  return header;
}

export class Connection {
  // onMessage(message) is called with everything that the server says by itself
  constructor(onMessage, onState) {
    this._onMessage = onMessage;
    this._onState = onState;
    this._waiting = new Map();
    this._number = 0;
    this.bytes = 0;
    this.open();
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this._socket = new WebSocket(`${scheme}://${location.host}/socket${location.search}`);
    this._socket.binaryType = "arraybuffer";
    this._socket.onopen = () => { this.bytes = 0; this._onState(true); };
    this._socket.onmessage = ({ data }) => {
      this.bytes += data.byteLength ?? data.length;
      const message = typeof data === "string" ? JSON.parse(data) : parsed(data);
      if (message.type !== "answer") this._onMessage(message);
      else this._settle(message);
    };
    this._socket.onclose = () => {
      for (const [, reject] of this._waiting.values()) reject(new Error("the server has gone"));
      this._waiting.clear();
      this._onState(false);
      setTimeout(() => this.open(), 1000);
    };
  }

  // A promise of the server's answer.
  ask(name, values = {}) {
    const id = ++this._number;
    return new Promise((resolve, reject) => {
      if (this._socket.readyState !== WebSocket.OPEN) {
        reject(new Error("the server does not answer"));
        return;
      }
      this._waiting.set(id, [resolve, reject]);
      this._socket.send(JSON.stringify({ ...values, id, do: name }));
    });
  }

  _settle(message) {
    const [resolve, reject] = this._waiting.get(message.id) ?? [];
    this._waiting.delete(message.id);
    if (message.error !== undefined) reject?.(new Error(message.error));
    else resolve?.(message.result ?? message);
  }
}
