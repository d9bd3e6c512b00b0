// The terminal of a process.

import { documentForTerminal, withStandIns } from './styles.js';
import { FitAddon } from '../vendor/addon-fit/addon-fit.mjs';
import { Terminal } from '../vendor/xterm/xterm.mjs';
import { h, setText } from '../lib/dom.js';
import { hello, openSocket } from '../lib/session.js';
import { confirm } from '../views/dialog.js';
import { KeyBar } from './keys.js';

const [OUTPUT, INPUT, SIZE, SHOWN, END] = [0, 1, 2, 3, 6];
/** How many bytes are shown between two acknowledgements. */
const ACKNOWLEDGE = 32 << 10;
/** The largest message. */
const LARGEST = 32 << 10;

const encoder = new TextEncoder();

/** The colours of the page. */
function theme() {
  const style = getComputedStyle(document.documentElement);
  const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const names = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
  /** @type {Record<string, string>} */
  const colors = {
    background: color('--page'), foreground: color('--text'), cursor: color('--text'),
    cursorAccent: color('--page'), selectionBackground: color('--mark'),
  };
  names.forEach((name, at) => {
    colors[name] = color(`--c${at}`);
    colors[`bright${name[0].toUpperCase()}${name.slice(1)}`] = color(`--c${at + 8}`);
  });
  return colors;
}

/** Without what could end the brackets around a paste, or press other keys. @param {string} text */
export function harmless(text) {
  return text.replace(/\r\n?/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '').replace(/\n/g, '\r');
}

export class ProcessTerminal {
  /**
   * @param {string} run @param {string} name @param {boolean} isLooking
   */
  constructor(run, name, isLooking) {
    this.run = run;
    this.name = name;
    this.isLooking = isLooking;
    this.isOver = false;
    /** Why the server has ended the terminal. */
    this.farewell = '';
    this.shown = 0;
    /** @type {WebSocket | null} */ this.socket = null;
    this.screen = h('div', { class: 'screen' });
    this.keys = new KeyBar(this);
    this.keys.element.hidden = isLooking;
    this.note = h('p', { class: 'dim' });
    this.again = h('button', { text: 'Connect again', hidden: true, onclick: () => this.connect() });
    this.element = h('div', { class: 'terminal' }, this.screen, this.keys.element, h('div', { class: 'terminal-note' }, this.note, this.again));
    this.terminal = new Terminal(/** @type {any} */ ({
      documentOverride: documentForTerminal, theme: theme(), fontSize: 13, scrollback: 2000,
      // The theme's black is text; on coloured backgrounds xterm.js makes it readable.
      minimumContrastRatio: 4.5,
      fontFamily: 'ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace',
      disableStdin: isLooking, allowProposedApi: false, windowOptions: {}, linkHandler: null,
    }));
    this.fit = new FitAddon();
    this.terminal.loadAddon(this.fit);
    this.terminal.onData((/** @type {string} */ data) => this.type(this.keys.take(data)));
    this.terminal.onBinary((/** @type {string} */ data) => this.send(INPUT, Uint8Array.from(data, (one) => one.charCodeAt(0))));
    this.terminal.onResize(() => this.resize());
    this.terminal.attachCustomKeyEventHandler((/** @type {KeyboardEvent} */ event) => this.key(event));
    this.observer = new ResizeObserver(() => this.fit.fit());
    // A phone closes the connection of a page that is hidden.
    this.seen = () => { if (!document.hidden && this.isLost) this.connect(); };
    this.themes = new MutationObserver(() => { this.terminal.options.theme = theme(); });
    this.themes.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  }

  /** To be called when the element is on the page. */
  open() {
    withStandIns(() => this.terminal.open(this.screen));
    this.screen.addEventListener('paste', (event) => this.paste(event), { capture: true });
    this.fit.fit();
    this.observer.observe(this.screen);
    document.addEventListener('visibilitychange', this.seen);
    this.connect();
  }

  close() {
    this.isOver = true;
    document.removeEventListener('visibilitychange', this.seen);
    this.keys.close();
    this.observer.disconnect();
    this.themes.disconnect();
    this.socket?.close();
    this.terminal.dispose();
  }

  async connect() {
    this.again.hidden = true;
    this.farewell = '';
    this.isLost = false;
    setText(this.note, 'connecting …');
    try {
      await hello();
    } catch (error) {
      return this.ended(/** @type {Error} */ (error).message);
    }
    const { cols, rows } = this.terminal;
    const path = `/r/${this.run}/${this.isLooking ? 'look' : 'type'}/${encodeURIComponent(this.name)}`;
    const socket = openSocket(`${path}?size=${cols}x${rows}`, 'tmo-tty.1');
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.terminal.reset();
      this.shown = 0;
      setText(this.note, this.isLooking ? 'looking: keys do not reach the process' : 'Ctrl+Shift+L leaves the terminal');
      if (!this.isLooking) this.terminal.focus();
    };
    socket.onmessage = (message) => this.take(new Uint8Array(message.data));
    socket.onclose = () => { if (this.socket === socket) this.ended('The connection to the terminal has ended.'); };
    return undefined;
  }

  /** @param {string} why */
  ended(why) {
    this.socket = null;
    if (this.isOver) return;
    // What the server has ended stays ended; what was lost comes back.
    this.isLost = !this.farewell;
    setText(this.note, this.farewell || why);
    this.again.hidden = false;
  }

  /** @param {Uint8Array} message */
  take(message) {
    const rest = message.subarray(1);
    if (message[0] === OUTPUT) {
      this.terminal.write(rest, () => {
        this.shown += rest.length;
        if (this.shown < ACKNOWLEDGE) return;
        this.send(SHOWN, new Uint8Array(new Uint32Array([this.shown]).buffer).reverse());
        this.shown = 0;
      });
    } else if (message[0] === END) {
      this.farewell = new TextDecoder().decode(rest);
      setText(this.note, this.farewell);
    }
  }

  /** @param {number} kind @param {Uint8Array} bytes */
  send(kind, bytes) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const message = new Uint8Array(bytes.length + 1);
    message[0] = kind;
    message.set(bytes, 1);
    this.socket.send(message);
  }

  /** @param {string} data */
  type(data) {
    if (this.isLooking) return;
    const bytes = encoder.encode(data);
    for (let at = 0; at < bytes.length; at += LARGEST) this.send(INPUT, bytes.subarray(at, at + LARGEST));
  }

  resize() {
    const { cols, rows } = this.terminal;
    this.send(SIZE, Uint8Array.from([cols >> 8, cols & 255, rows >> 8, rows & 255]));
  }

  /** @param {ClipboardEvent} event */
  paste(event) {
    event.preventDefault();
    event.stopPropagation();
    this.pasteText(event.clipboardData?.getData('text/plain') ?? '');
  }

  /** @param {string} text */
  pasteText(text) {
    const clean = harmless(text);
    if (!clean || this.isLooking) return undefined;
    const isBracketed = this.terminal.modes.bracketedPasteMode;
    const paste = () => this.type(isBracketed ? `\u001b[200~${clean}\u001b[201~` : clean);
    const lines = clean.replace(/\r$/, '').split('\r');
    if (isBracketed || lines.length === 1) return paste();
    const first = `${lines[0].slice(0, 80)}${lines[0].length > 80 ? '…' : ''}`;
    return confirm(`Paste ${lines.length} lines?`, `Each is entered at once. The first is: ${first}`, 'Paste', paste);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.type !== 'keydown' || !event.ctrlKey || !event.shiftKey) return true;
    const key = event.key.toLowerCase();
    if (key === 'l') /** @type {HTMLElement | null} */ (document.querySelector('.terminal-bar select'))?.focus();
    else if (key === 'c') navigator.clipboard.writeText(this.terminal.getSelection());
    else return true;
    event.preventDefault();
    return false;
  }
}
