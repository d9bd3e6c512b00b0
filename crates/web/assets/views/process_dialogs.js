// Dialogs for what is done to a process seldom: signals, and the number of its instances.

import { scale, sendSignal } from '../lib/actions.js';
import { h } from '../lib/dom.js';
import { labelOf, run } from '../lib/store.js';
import { dialog } from './dialog.js';

const SIGNALS = ['HUP', 'INT', 'QUIT', 'USR1', 'USR2', 'TERM', 'KILL', 'STOP', 'CONT', 'WINCH'];

/** @param {string} name */
const entryOf = (name) => name.split('#')[0];

/** The instances of the entry to which a process belongs. @param {string} name */
const instances = (name) => [...run.processes.keys()].filter((other) => entryOf(other) === entryOf(name));

/**
 * @param {string} title @param {string} label @param {HTMLElement} field @param {string} action
 * @param {() => void} work
 */
function ask(title, label, field, action, work) {
  dialog(title, (close) => [
    h('form', { onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); close(); work(); } },
      h('label', {}, h('span', { class: 'dim', text: label }), field),
      h('footer', {}, h('button', { type: 'button', text: 'Cancel', onclick: close }), h('button', { type: 'submit', text: action }))),
  ]);
  field.focus();
}

/** @param {string} name */
export function askSignal(name) {
  const choice = /** @type {HTMLSelectElement} */ (h('select', { class: 'field' },
    ...SIGNALS.map((signal) => h('option', { value: signal, text: `SIG${signal}` }))));
  ask(`Signal to ${labelOf(name)}`, 'It reaches the process and its children. If it exits, that counts as its own exit, not as a stop by tmo: it may be restarted, or end the run.', choice, 'Send', () => sendSignal(name, choice.value));
}

/** @param {string} name */
export function askScale(name) {
  const entry = entryOf(name);
  const count = /** @type {HTMLInputElement} */ (h('input', { class: 'field', type: 'number', min: '0', max: '999', required: true, value: String(instances(name).length) }));
  ask(`Instances of ${entry}`, 'How many to run. Extra instances are stopped; 0 stops all.', count, 'Scale', () => scale(entry, Number(count.value)));
}
