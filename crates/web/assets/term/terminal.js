// The terminal of a process, for typing or only for watching.

import { withStandIns } from './styles.js';
import { Connection } from './connection.js';
import { emulator, followTheme } from './emulator.js';
import { TerminalSize } from './size.js';
import { isPhone, settings } from './settings.js';
import { h, setText } from '../lib/dom.js';
import { link, me } from '../lib/store.js';
import { confirm } from '../views/dialog.js';
import { KeyBar } from './keys.js';

/** How to leave a terminal with the keyboard, as Tab goes to the process. */
const HINT = 'Ctrl+Shift+L leaves the terminal';

/** Remove characters that could end a bracketed paste or act as other keys. @param {string} text */
export function harmless(text) {
  return text.replace(/\r\n?/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '').replace(/\n/g, '\r');
}

/** The text that draws a screen in an empty terminal. @param {any} screen */
function painted({ screen, cursor }) {
  const lines = screen.replace(/\n$/, '').replaceAll('\n', '\r\n');
  // tmux switches to the second character set for lines and corners.
  const begin = '\u001b[0m\u001b)0\u000f\u001b[?25l\u001b[H\u001b[2J';
  const place = `\u001b[0m\u000f\u001b[${cursor.row + 1};${cursor.column + 1}H`;
  return `${begin}${lines}${place}${cursor.is_visible ? '\u001b[?25h' : ''}`;
}

export class ProcessTerminal {
  /** @param {string} run @param {string} name @param {boolean} isLooking */
  constructor(run, name, isLooking) {
    const { keepsSize, isWhole, isRead } = settings();
    this.isLooking = isLooking;
    this.keepsSize = keepsSize && !isLooking;
    const how = isLooking ? 'look' : 'type';
    this.path = `/r/${run}/${how}/${encodeURIComponent(name)}`;
    /** @type {Connection | null} */ this.connection = null;
    this.isLost = false;
    this.hint = isLooking ? `You look: keys do not reach the process${me.value?.role === 'admin' ? '' : '; an admin may type'}` : isPhone() ? 'Keys reach the process' : HINT;
    this.others = 0;
    this.screen = h('div', { class: 'screen' });
    this.keys = new KeyBar(this);
    this.keys.element.hidden = isLooking;
    this.note = h('p', { class: 'dim', id: 'terminal-note', role: 'status' });
    this.again = h('button', { text: 'Reopen', hidden: true, onclick: () => this.connect() });
    this.element = h('div', { class: 'terminal' }, this.screen, this.keys.element, h('div', { class: 'terminal-note' }, this.note, this.again));
    this.terminal = emulator({ isLooking, isRead });
    this.size = new TerminalSize(this.terminal, this.screen);
    this.size.isWhole = isWhole;
    this.terminal.onData((/** @type {string} */ data) => this.type(this.keys.take(data)));
    if (!isLooking) this.terminal.onCursorMove(() => this.size.reveal());
    this.terminal.onBinary((/** @type {string} */ data) => this.type(Uint8Array.from(data, (one) => one.charCodeAt(0))));
    this.terminal.onResize(({ cols, rows }) => { if (!this.size.fixed) this.connection?.resize(cols, rows); });
    this.terminal.attachCustomKeyEventHandler((/** @type {KeyboardEvent} */ event) => this.key(event));
    this.unfollow = followTheme(this.terminal);
    this.seen = () => this.changeVisibility();
    /** The newest screen, while xterm.js still draws the one before. @type {any} */
    this.waiting = null;
    this.isPainting = false;
  }

  /** Call this once the element is on the page. */
  open() {
    withStandIns(() => this.terminal.open(this.screen));
    const field = this.terminal.textarea;
    if (field) {
      field.setAttribute('aria-describedby', 'terminal-note');
      // Nothing is typed here, so a phone needs no keyboard.
      if (this.isLooking) field.inputMode = 'none';
    }
    this.screen.addEventListener('paste', (event) => this.paste(event), { capture: true });
    this.size.open();
    document.addEventListener('visibilitychange', this.seen);
    this.unlink = link.watch((state) => { if (state === 'up' && !document.hidden && this.isLost) this.connect(); });
    this.connect();
  }

  close() {
    document.removeEventListener('visibilitychange', this.seen);
    this.unlink?.();
    this.keys.close();
    this.size.close();
    this.unfollow();
    this.connection?.close();
    this.terminal.dispose();
  }

  /** Reconnect when the page becomes visible: a hidden page needs no screens, and phones close its connection. */
  changeVisibility() {
    if (!document.hidden && this.isLost) this.connect();
    else if (document.hidden && this.isLooking && this.connection && !this.connection.isOver) {
      this.connection.close();
      this.isLost = true;
    }
  }

  connect() {
    this.again.hidden = true;
    this.isLost = false;
    setText(this.note, 'Connecting …');
    this.connection?.close();
    const { cols, rows } = this.terminal;
    const query = this.isLooking ? '' : `?size=${cols}x${rows}${this.keepsSize ? '&keep=1' : ''}`;
    this.connection = new Connection(`${this.path}${query}`, {
      onopen: () => this.opened(),
      onoutput: (bytes, shown) => this.terminal.write(bytes, shown),
      onscreen: (screen) => this.paint(screen),
      onstatus: (status) => this.take(status),
      onend: (why, isFinal) => this.ended(why, isFinal),
    });
  }

  opened() {
    this.terminal.reset();
    this.describe();
    if (!this.isLooking) this.terminal.focus();
  }

  /** @param {string} [problem] */
  describe(problem) {
    const others = this.others ? ` · ${this.others} more ${this.others === 1 ? 'page types' : 'pages type'} here` : '';
    setText(this.note, problem ?? `${this.hint}${others}`);
  }

  /** @param {{ others?: number, size?: [number, number], problem?: string }} status */
  take({ others, size, problem }) {
    if (size) this.size.fix(size);
    if (others !== undefined) this.others = others;
    this.describe(problem);
  }

  /** The connection has ended. A lost one is opened again, unless the server has ended it. @param {string} why @param {boolean} isFinal */
  ended(why, isFinal) {
    this.isLost = !isFinal;
    setText(this.note, why);
    this.again.hidden = false;
  }

  /** @param {any} screen */
  paint(screen) {
    this.waiting = screen;
    if (this.isPainting) return;
    const next = () => {
      const now = this.waiting;
      this.waiting = null;
      this.isPainting = !!now;
      if (!now) return;
      this.size.fix([now.columns, now.rows]);
      this.terminal.write(painted(now), next);
    };
    this.describe();
    next();
  }

  /** @param {string | Uint8Array} data */
  type(data) {
    if (!this.isLooking) this.connection?.type(data);
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

  /** Copy the selection, or all of the screen. */
  copy() {
    let text = this.terminal.getSelection();
    if (!text) {
      const buffer = this.terminal.buffer.active;
      const lines = Array.from({ length: this.terminal.rows }, (_, at) => buffer.getLine(buffer.viewportY + at)?.translateToString(true) ?? '');
      text = `${lines.join('\n').trimEnd()}\n`;
    }
    return navigator.clipboard.writeText(text);
  }

  /** @param {boolean} keepsSize */
  keepSize(keepsSize) {
    this.keepsSize = keepsSize;
    this.size.release();
    this.connect();
  }

  /** @param {boolean} isRead */
  setRead(isRead) {
    this.terminal.options.screenReaderMode = isRead;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.type !== 'keydown' || !event.ctrlKey || !event.shiftKey) return true;
    const key = event.key.toLowerCase();
    if (key === 'l') /** @type {HTMLElement | null} */ (document.querySelector('.terminal-back'))?.focus();
    else if (key === 'c') this.copy();
    else return true;
    event.preventDefault();
    return false;
  }
}
