// A bar below a terminal with the keys that phones lack.

import { h, setAttribute } from '../lib/dom.js';
import { dialog } from '../views/dialog.js';

/** The delay until a held key repeats, and the interval of its repetitions, in milliseconds. */
const DELAY = 400;
const REPEAT = 80;

/** Arrows: text, name, and the final letter of the sequence. */
const ARROWS = [['↑', 'Up', 'A'], ['↓', 'Down', 'B'], ['←', 'Left', 'D'], ['→', 'Right', 'C']];

/** The character that a key sends with Ctrl. @param {string} key one character @returns {string} */
function withCtrl(key) {
  const code = key.toUpperCase().charCodeAt(0);
  if (key === ' ') return '\u0000';
  return code >= 0x40 && code < 0x60 ? String.fromCharCode(code & 0x1f) : key;
}

export class KeyBar {
  /** @param {import('./terminal.js').ProcessTerminal} terminal */
  constructor(terminal) {
    this.terminal = terminal;
    /** Whether the next key is typed with Ctrl. */
    this.isCtrl = false;
    this.ctrl = h('button', { class: 'toggle', text: 'Ctrl', 'aria-label': 'Ctrl, for the next key', onclick: () => this.setCtrl(!this.isCtrl) });
    this.element = h('div', {
      class: 'key-bar', role: 'toolbar', 'aria-label': 'Keys',
      // The terminal keeps the focus, and the phone its keyboard.
      onmousedown: (/** @type {Event} */ event) => event.preventDefault(),
    },
    this.key('Esc', 'Esc', () => '\u001b'), this.key('Tab', 'Tab', () => '\t'), this.ctrl,
    this.key('^C', 'Ctrl C', () => '\u0003'),
    ...ARROWS.map(([text, name, letter]) => this.key(text, name, () => this.arrow(letter), true)),
    this.key('^D', 'Ctrl D', () => '\u0004'),
    h('button', { text: 'Paste', onclick: () => this.paste() }));
    this.setCtrl(false);
  }

  close() {
    clearTimeout(this.timer);
  }

  /** @param {string} text @param {string} label @param {() => string} data @param {boolean} [repeats] */
  key(text, label, data, repeats = false) {
    const type = () => this.terminal.type(data());
    let isRepeated = false;
    const button = h('button', { text, 'aria-label': label, onclick: () => {
      // A held key has been typed already.
      if (!isRepeated) type();
      isRepeated = false;
      this.setCtrl(false);
    } });
    if (!repeats) return button;
    const again = () => {
      isRepeated = true;
      type();
      this.timer = setTimeout(again, REPEAT);
    };
    button.addEventListener('pointerdown', () => {
      clearTimeout(this.timer);
      isRepeated = false;
      this.timer = setTimeout(again, DELAY);
    });
    for (const end of ['pointerup', 'pointercancel', 'pointerleave']) button.addEventListener(end, () => clearTimeout(this.timer));
    // Holding a key must not open a menu.
    button.addEventListener('contextmenu', (event) => event.preventDefault());
    return button;
  }

  /** @param {string} letter */
  arrow(letter) {
    if (this.isCtrl) return `\u001b[1;5${letter}`;
    return this.terminal.terminal.modes.applicationCursorKeysMode ? `\u001bO${letter}` : `\u001b[${letter}`;
  }

  /** @param {boolean} isCtrl */
  setCtrl(isCtrl) {
    this.isCtrl = isCtrl;
    setAttribute(this.ctrl, 'aria-pressed', String(isCtrl));
  }

  /** Apply Ctrl to typed text if it was pressed on the bar. @param {string} data */
  take(data) {
    if (!this.isCtrl || data.length !== 1) return data;
    this.setCtrl(false);
    return withCtrl(data);
  }

  async paste() {
    let text;
    try {
      text = await navigator.clipboard.readText();
    } catch {
      return this.askForText();
    }
    return this.terminal.pasteText(text);
  }

  /** Let the user paste into a field, where pages can't read the clipboard. */
  askForText() {
    const field = /** @type {HTMLTextAreaElement} */ (h('textarea', { class: 'field', rows: '5', 'aria-label': 'Text to paste', placeholder: 'Paste here', spellcheck: 'false', autocapitalize: 'off' }));
    dialog('Paste into the terminal', (close) => [field, h('footer', {},
      h('button', { text: 'Cancel', onclick: close }),
      h('button', { text: 'Paste', onclick: () => { close(); this.terminal.pasteText(field.value); } }))]);
    field.focus();
  }
}
