// Starts a run that is over once more, after the user has seen what that runs.

import { setFailure } from '../lib/actions.js';
import { get, post, query } from '../lib/api.js';
import { h, setText } from '../lib/dom.js';
import { run } from '../lib/store.js';
import { dialog } from './dialog.js';

export function startAgain() {
  const path = `/r/${run.id}/again`;
  const body = h('div', { role: 'status' }, h('p', { class: 'dim', text: 'The configuration is read …' }));
  const problem = h('p', { class: 'kind-bad', role: 'alert' });
  const start = h('button', { class: 'danger', text: 'Start', hidden: true });
  let digest = '';
  const look = async () => {
    try {
      const found = await get(path);
      digest = found.digest;
      body.replaceChildren(
        h('p', {}, 'This runs in ', h('code', { text: found.directory }), ':'),
        h('p', { class: 'dim' }, 'With ', h('code', { text: 'tmo start -D' }), ' and the variables of this server: flags and variables of the earlier start are not kept.'),
        h('dl', {}, ...found.processes.filter((/** @type {any} */ one) => one.begins).flatMap((/** @type {any} */ { name, command }) =>
          [h('dt', { text: name }), h('dd', {}, h('code', { text: command }))])));
      start.hidden = false;
    } catch (error) {
      body.replaceChildren();
      setText(problem, /** @type {Error} */ (error).message);
      start.hidden = true;
    }
  };
  start.addEventListener('click', async () => {
    if (start.hasAttribute('aria-disabled')) return;
    start.setAttribute('aria-disabled', 'true');
    setText(problem, '');
    setText(start, 'Starting …');
    try {
      await post(path + query({ digest }));
      /** @type {HTMLDialogElement | null} */ (body.closest('dialog'))?.close();
    } catch (error) {
      const { message } = /** @type {Error} */ (error);
      if (body.isConnected) setText(problem, message);
      else setFailure('', message);
      // What would run may have changed meanwhile.
      await look();
    }
    setText(start, 'Start');
    start.removeAttribute('aria-disabled');
  });
  dialog('Start again?', (close) => [body, problem, h('footer', {}, h('button', { text: 'Cancel', onclick: close }), start)]);
  look();
}
