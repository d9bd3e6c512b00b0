// Reloads the configuration of the run, and tells what that has changed.

import { reload, setFailure } from '../lib/actions.js';
import { h } from '../lib/dom.js';
import { dialog } from './dialog.js';

export function reloadConfiguration() {
  const body = h('div', { role: 'status' }, h('p', { class: 'dim', text: 'The configuration is read …' }));
  dialog('Reload the configuration', (close) => [body, h('footer', {}, h('button', { text: 'Close', onclick: close }))]);
  const show = (/** @type {string[]} */ lines, /** @type {string} */ kind) => (lines.length ? [h('ul', { class: kind }, ...lines.map((line) => h('li', { text: line })))] : []);
  reload().then(
    ({ changes, warnings }) => body.replaceChildren(...show(warnings, 'kind-bad'), ...show(changes, '')),
    (error) => (body.isConnected ? body.replaceChildren(...show([error.message], 'kind-bad')) : setFailure('', error.message)),
  );
}
