// The page of the terminals: the choice of the process and the mode, and the terminal.

import { asking } from '../lib/asking.js';
import { h, setAttribute } from '../lib/dom.js';
import { go, keep } from '../lib/router.js';
import { labelOf, me, run } from '../lib/store.js';
import { isPhone, remember, settings } from '../term/settings.js';
import { ProcessTerminal } from '../term/terminal.js';

/** @param {string} text @param {string} title @param {boolean} isOn @param {(isOn: boolean) => void} change */
function toggle(text, title, isOn, change) {
  const button = h('button', { class: 'toggle', text, title, 'aria-pressed': String(isOn), onclick: () => {
    const now = button.getAttribute('aria-pressed') !== 'true';
    setAttribute(button, 'aria-pressed', String(now));
    change(now);
  } });
  return button;
}

/**
 * A list of the processes. Letters and arrows only select one; a click or Enter opens it.
 * @param {string} name the process that is shown @param {(name: string) => void} open
 */
function processChoice(name, open) {
  let isByKey = false;
  const choice = /** @type {HTMLSelectElement} */ (h('select', {
    'aria-label': 'Process', title: 'Enter opens the terminal of the process that is chosen',
    onpointerdown: () => { isByKey = false; },
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      // Space opens the native list, which then handles all keys itself.
      isByKey = ![' ', 'Enter'].includes(event.key);
      if (event.key !== 'Enter' || choice.value === name) return;
      event.preventDefault();
      open(choice.value);
    },
    onchange: () => { if (!isByKey) open(choice.value); },
    onblur: () => { choice.value = name; },
  }, ...[...run.processes.keys()].map((one) => h('option', { value: one, text: labelOf(one), selected: one === name }))));
  return choice;
}

export class TerminalView {
  /** @param {string} id @param {string} name @param {string} look `1`: watch, `0`: type, empty: depends on the device */
  constructor(id, name, look) {
    const mayType = me.value?.role === 'admin';
    const isLooking = !mayType || (look ? look === '1' : isPhone());
    this.terminal = new ProcessTerminal(id, name, isLooking);
    const back = h('button', { class: 'terminal-back', text: '← Overview', 'aria-label': 'Back to overview', onclick: () => go({ view: 'overview', values: {} }) });
    const choice = processChoice(name, (other) => go({ view: 'terminal', values: { name: other, look } }));
    const mode = mayType
      ? toggle('Type', 'Let keys reach the process', !isLooking, (isOn) => go({ view: 'terminal', values: { name, look: isOn ? '0' : '1' } }))
      : null;
    this.element = h('section', { class: 'terminal-view' },
      h('div', { class: 'terminal-bar' }, back, choice, mode, ...this.sizes(isLooking), h('span', { class: 'space' }), ...this.tools(isLooking)),
      this.terminal.element);
  }

  /** @param {boolean} isLooking */
  sizes(isLooking) {
    const { keepsSize, isWhole } = settings();
    const { terminal } = this;
    const whole = toggle('Fit', 'Show all of the terminal, with smaller text', isWhole !== false, (isOn) => {
      remember({ isWhole: isOn });
      terminal.size.showWhole(isOn);
    });
    terminal.size.onpan = () => setAttribute(whole, 'aria-pressed', String(!terminal.size.isPanned));
    whole.hidden = !isLooking && !keepsSize;
    if (isLooking) return [whole];
    const keeps = toggle('Keep size', 'Leave the size of the terminal as it is, for others and for the log', keepsSize, (isOn) => {
      remember({ keepsSize: isOn });
      whole.hidden = !isOn;
      terminal.keepSize(isOn);
    });
    return [keeps, whole];
  }

  /** @param {boolean} isLooking */
  tools(isLooking) {
    const { terminal } = this;
    return [
      toggle('Screen reader', 'Let a screen reader read the terminal', settings().isRead, (isOn) => {
        remember({ isRead: isOn });
        terminal.setRead(isOn);
      }),
      h('button', { text: 'Copy', title: 'Copy the selection, or all that is shown (Ctrl+Shift+C)', onclick: () => terminal.copy() }),
      isLooking ? null : h('button', { class: 'paste', text: 'Paste', onclick: () => terminal.keys.paste() }),
    ];
  }

  open() {
    this.terminal.open();
  }

  close() {
    this.terminal.close();
  }
}

/** The process whose terminal is shown: that of the address, otherwise one that waits, or the first one. @param {string | undefined} name */
export function chosen(name) {
  const known = name && run.processes.has(name) ? name : asking()[0]?.name ?? run.processes.keys().next().value;
  if (known && known !== name) keep({ name: known });
  return known;
}
