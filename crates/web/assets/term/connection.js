// The WebSocket of a terminal.

import { hello, openSocket } from '../lib/session.js';

const [OUTPUT, INPUT, SIZE, SHOWN, STATUS, END, SCREEN] = [0, 1, 2, 3, 5, 6, 7];
/** How many bytes are shown between two acknowledgements. */
const ACKNOWLEDGE = 32 << 10;
/** The largest message. */
const LARGEST = 32 << 10;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * @typedef {{
 *   onopen: () => void,
 *   onoutput: (bytes: Uint8Array, shown: () => void) => void,
 *   onscreen: (screen: any) => void,
 *   onstatus: (status: { others?: number, size?: [number, number], problem?: string }) => void,
 *   onend: (why: string, isFinal: boolean) => void,
 * }} Listener
 */

export class Connection {
  /** @param {string} path @param {Listener} listener */
  constructor(path, listener) {
    this.path = path;
    this.listener = listener;
    this.isOver = false;
    /** The server's reason for ending the terminal. */
    this.farewell = '';
    this.shown = 0;
    /** @type {WebSocket | null} */ this.socket = null;
    this.open();
  }

  async open() {
    try {
      await hello();
    } catch (error) {
      return this.end(/** @type {Error} */ (error).message);
    }
    if (this.isOver) return undefined;
    const socket = openSocket(this.path, 'tmo-tty.1');
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => { if (!this.isOver) this.listener.onopen(); };
    socket.onmessage = (message) => { if (!this.isOver) this.take(new Uint8Array(message.data)); };
    socket.onclose = () => this.end('The connection to the terminal is lost.');
    return undefined;
  }

  /** Close the connection; the listener is not called any more. */
  close() {
    this.isOver = true;
    this.socket?.close();
  }

  /** @param {string} why */
  end(why) {
    if (this.isOver) return;
    this.isOver = true;
    this.listener.onend(this.farewell || why, !!this.farewell);
  }

  /** @param {Uint8Array} message */
  take(message) {
    const rest = message.subarray(1);
    const json = () => JSON.parse(decoder.decode(rest));
    if (message[0] === OUTPUT) this.listener.onoutput(rest, () => this.acknowledge(rest.length));
    else if (message[0] === SCREEN) this.listener.onscreen(json());
    else if (message[0] === STATUS) this.listener.onstatus(json());
    else if (message[0] === END) this.farewell = decoder.decode(rest);
  }

  /** @param {number} bytes */
  acknowledge(bytes) {
    this.shown += bytes;
    if (this.shown < ACKNOWLEDGE) return;
    const number = new DataView(new ArrayBuffer(4));
    number.setUint32(0, this.shown);
    this.send(SHOWN, new Uint8Array(number.buffer));
    this.shown = 0;
  }

  /** @param {number} kind @param {Uint8Array} bytes */
  send(kind, bytes) {
    if (this.isOver || this.socket?.readyState !== WebSocket.OPEN) return;
    const message = new Uint8Array(bytes.length + 1);
    message[0] = kind;
    message.set(bytes, 1);
    this.socket.send(message);
  }

  /** @param {string | Uint8Array} data */
  type(data) {
    const bytes = typeof data === 'string' ? encoder.encode(data) : data;
    for (let at = 0; at < bytes.length; at += LARGEST) this.send(INPUT, bytes.subarray(at, at + LARGEST));
  }

  /** @param {number} columns @param {number} rows */
  resize(columns, rows) {
    this.send(SIZE, Uint8Array.from([columns >> 8, columns & 255, rows >> 8, rows & 255]));
  }
}
