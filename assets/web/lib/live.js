// The WebSocket that delivers changes. It reconnects when the connection is lost.

import { LoggedOut, OtherServer, doubt, hello, openSocket } from './session.js';

const FIRST = 500;
const LONGEST = 8000;

/**
 * @typedef {{ onframe: (frame: any) => void, onlink: (link: 'up' | 'down') => void }} Listener
 */

export class Live {
  /** @param {Listener} listener */
  constructor(listener) {
    this.listener = listener;
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {string | null} */
    this.run = null;
    this.pause = FIRST;
    document.addEventListener('visibilitychange', () => this.say({ type: 'visible', visible: !document.hidden }));
    this.connect();
  }

  async connect() {
    try {
      await hello();
    } catch (error) {
      // The page has ended then, and shows why.
      if (error instanceof OtherServer || error instanceof LoggedOut) return undefined;
      return this.again();
    }
    const socket = openSocket('/ws', 'tmo.1');
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
    doubt();
    this.socket = null;
    this.listener.onlink('down');
    setTimeout(() => this.connect(), this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(this.pause * 2, LONGEST);
  }

  /** @param {string | null} run */
  watch(run) {
    this.run = run;
    this.say({ type: 'watch', run });
  }

  /** @param {object} message */
  say(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}
