// The page of the terminals: one process, and whether keys reach it.

import { h } from '../lib/dom.js';
import { go, keep } from '../lib/router.js';
import { me, run } from '../lib/store.js';
import { ProcessTerminal } from '../term/terminal.js';

export class TerminalView {
  /** @param {string} id @param {string} name @param {boolean} isLooking */
  constructor(id, name, isLooking) {
    const mayType = me.value?.role === 'admin';
    this.terminal = new ProcessTerminal(id, name, isLooking || !mayType);
    const choice = h('select', { 'aria-label': 'Process', onchange: (/** @type {Event} */ event) => {
      go({ view: 'terminal', values: { name: /** @type {HTMLSelectElement} */ (event.target).value, look: isLooking ? '1' : '' } });
    } }, ...[...run.processes.keys()].map((one) => h('option', { value: one, text: one, selected: one === name })));
    const mode = h('button', {
      class: 'toggle', text: 'Only look', 'aria-pressed': String(isLooking || !mayType), disabled: !mayType,
      title: 'Show the terminal as it is; neither keys nor the size of this page reach it',
      onclick: () => go({ view: 'terminal', values: { name, look: isLooking ? '' : '1' } }),
    });
    const bar = h('div', { class: 'terminal-bar' }, choice, mode);
    this.element = h('section', { class: 'terminal-view' }, bar, this.terminal.element);
  }

  open() {
    this.terminal.open();
  }

  close() {
    this.terminal.close();
  }
}

/** The process whose terminal is shown: that of the address, or the first one. @param {string | undefined} name */
export function chosen(name) {
  const known = name && run.processes.has(name) ? name : run.processes.keys().next().value;
  if (known && known !== name) keep({ name: known });
  return known;
}
