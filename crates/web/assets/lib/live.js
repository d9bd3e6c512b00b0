// A WebSocket that delivers changes. It reconnects when the connection is lost.

import { LoggedOut, OtherServer, doubt, hello, openSocket } from './session.js';

const FIRST = 500;
const LONGEST = 8000;

/**
 * @typedef {{ onframe: (frame: any) => void, onlink: (link: 'up' | 'down') => void }} Listener
 */

export class Live {
  /** @param {Listener} listener @param {string} [host] the host whose runs it is about */
  constructor(listener, host) {
    this.listener = listener;
    this.host = host;
    this.left = new AbortController();
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {string | null} */
    this.run = null;
    this.pause = FIRST;
    document.addEventListener('visibilitychange', () => this.say({ type: 'visible', visible: !document.hidden }), this.left);
    this.connect();
  }

  close() {
    this.left.abort();
    this.socket?.close();
  }

  async connect() {
    if (this.left.signal.aborted) return undefined;
    try {
      await hello();
    } catch (error) {
      // The page has ended then, and shows why.
      if (error instanceof OtherServer || error instanceof LoggedOut) return undefined;
      return this.again();
    }
    if (this.left.signal.aborted) return undefined;
    const socket = openSocket(this.host ? `/h/${this.host}/ws` : '/ws', 'tmo.1');
    this.socket = socket;
    socket.onopen = () => {
      this.pause = FIRST;
      this.listener.onlink('up');
      if (document.hidden) this.say({ type: 'visible', visible: false });
      if (this.run) this.say({ type: 'watch', run: this.run });
    };
    socket.onmessage = (message) => this.listener.onframe(JSON.parse(message.data));
    socket.onclose = () => this.again();
  }

  again() {
    // That a host is lost says nothing about the server of this page.
    if (!this.host) doubt();
    this.socket = null;
    this.listener.onlink('down');
    if (this.left.signal.aborted) return;
    setTimeout(() => this.connect(), this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(this.pause * 2, LONGEST);
  }

  /** @param {string | null} run */
  watch(run) {
    if (run === this.run) return;
    this.run = run;
    this.say({ type: 'watch', run });
  }

  /** @param {object} message */
  say(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}
