// Declares a text as a failure of a process. The dialog first shows how often it was printed so far.

import { post } from '../lib/api.js';
import { h, setText } from '../lib/dom.js';
import { escaped } from '../lib/pattern.js';
import { run } from '../lib/store.js';
import { full } from '../lib/time.js';
import { dialog } from '../views/dialog.js';
import { Matches } from './matches.js';

/** How many of the last matches are shown. */
const SHOWN = 3;
/** How long the text must be unchanged before its matches are counted, in milliseconds. */
const PAUSE = 300;

/** @param {string} text @param {string} name the process that printed it */
export function declareFailure(text, name) {
  const input = /** @type {HTMLInputElement} */ (h('input', {
    type: 'text', class: 'field', value: text.trim(), spellcheck: 'false', autocomplete: 'off', oninput: () => later(),
  }));
  const choice = /** @type {HTMLSelectElement} */ (h('select', { class: 'field', onchange: () => count() },
    ...[...run.processes.keys()].map((one) => h('option', { value: one, text: one, selected: one === name }))));
  const status = h('p', { role: 'status' });
  const list = h('ol', { class: 'matches' });
  const problem = h('p', { class: 'kind-bad', role: 'alert' });
  const matches = new Matches(run.id ?? '', (line) => line.event === undefined, () => show());
  let timer = 0;

  const show = () => {
    const count = matches.hits.length;
    const times = count === 1 ? 'once' : `${matches.words} times`;
    setText(status, input.value.trim() ? (count ? `It was printed ${times} so far, the last time:` : matches.isDone ? 'It was never printed so far.' : 'counting …') : '');
    list.replaceChildren(...matches.hits.slice(0, SHOWN).map((hit) =>
      h('li', {}, h('span', { class: 'dim', text: full(new Date(hit.time)).slice(0, -4) }), h('code', { text: hit.text }))));
  };
  const count = () => {
    matches.stop();
    if (input.value.trim()) matches.count({ grep: escaped(input.value.trim()), 'ignore-case': true, name: [choice.value] });
    show();
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(count, PAUSE);
  };
  const add = async (/** @type {() => void} */ close) => {
    setText(problem, '');
    try {
      await post(`/r/${run.id}/api/failure-declarations/${encodeURIComponent(choice.value)}/add`, { failure_string: input.value.trim() });
      close();
    } catch (error) {
      setText(problem, /** @type {Error} */ (error).message);
    }
  };
  const element = dialog('Add as failure text', (close) => [
    h('form', { onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); add(close); } },
      h('label', {}, h('span', { class: 'dim', text: 'If a line contains this, in upper or lower case:' }), input),
      h('label', {}, h('span', { class: 'dim', text: 'of the process' }), choice),
      h('p', { class: 'dim', text: 'then the process has failed, and tmo stops it. Only what it prints from now on counts.' }),
      status, list, problem,
      h('footer', {}, h('button', { type: 'button', text: 'Cancel', onclick: close }), h('button', { type: 'submit', class: 'danger', text: 'Add' }))),
  ]);
  element.addEventListener('close', () => {
    clearTimeout(timer);
    matches.stop();
  });
  input.focus();
  count();
}
