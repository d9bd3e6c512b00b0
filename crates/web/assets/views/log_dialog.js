// The log of one process in a dialog over another view.

import { h } from '../lib/dom.js';
import { go, goToLog } from '../lib/router.js';
import { labelOf, run } from '../lib/store.js';
import { Pane } from '../log/pane.js';
import { setReachable } from '../log/rows.js';
import { dialog } from './dialog.js';

/** @param {string} name */
export function logDialog(name) {
  const pane = new Pane(run.id ?? '', true);
  pane.source.names = [name];
  // No line is selected here.
  pane.onlines = () => setReachable(pane.rows, true);
  pane.element.classList.add('one-name');
  pane.element.classList.toggle('wraps', matchMedia('(max-width: 700px)').matches);
  pane.element.dataset.times = localStorage.getItem('tmo-times') ?? 'short';
  const leave = (/** @type {() => void} */ close, /** @type {string} */ view, /** @type {Record<string, string>} */ values) => {
    close();
    if (view === 'log') goToLog(values);
    else go({ view, values });
  };
  const element = dialog(`Log of ${labelOf(name)}`, (close) => [pane.element, h('footer', {},
    h('button', { text: 'Terminal', onclick: () => leave(close, 'terminal', { name }) }),
    h('button', { text: 'Open in the log', onclick: () => leave(close, 'log', { names: name }) }))]);
  element.classList.add('log-dialog');
  element.addEventListener('close', () => pane.close());
  pane.view.focus();
  pane.follow();
}
