// The log of one process in a dialog over another view.

import { h } from '../lib/dom.js';
import { go } from '../lib/router.js';
import { run } from '../lib/store.js';
import { Pane } from '../log/pane.js';
import { dialog } from './dialog.js';

/** @param {string} name */
export function logDialog(name) {
  const pane = new Pane(run.id ?? '', true);
  pane.source.names = [name];
  pane.element.classList.add('one-name');
  pane.element.classList.toggle('wraps', matchMedia('(max-width: 700px)').matches);
  pane.element.dataset.times = localStorage.getItem('tmo-times') ?? 'short';
  const leave = (/** @type {() => void} */ close, /** @type {string} */ view, /** @type {Record<string, string>} */ values) => {
    close();
    go({ view, values });
  };
  const element = dialog(`Log of ${name}`, (close) => [pane.element, h('footer', {},
    h('button', { text: 'Terminal', onclick: () => leave(close, 'terminal', { name }) }),
    h('button', { text: 'Open in the log', onclick: () => leave(close, 'log', { names: name }) }))]);
  element.classList.add('log-dialog');
  element.addEventListener('close', () => pane.close());
  pane.view.focus();
  pane.follow();
}
