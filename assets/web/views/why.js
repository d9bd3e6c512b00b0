// Why a process has ended, or does not come up.

import { get } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { go } from '../lib/router.js';
import { run } from '../lib/store.js';
import { dialog } from './dialog.js';

/** @param {string} name */
export async function why(name) {
  let said;
  try {
    said = await get(`/r/${run.id}/api/processes/${encodeURIComponent(name)}/why`);
  } catch (error) {
    said = { well: /** @type {Error} */ (error).message };
  }
  dialog(`Why ${name}?`, (close) => content(name, said, close));
}

/** @param {string} name @param {any} said @param {() => void} close */
function content(name, said, close) {
  if (said.well) return [h('p', { text: said.well })];
  /** @param {string} cursor */
  const show = (cursor) => { close(); go({ view: 'log', values: { at: cursor } }); };
  const causes = (said.causes ?? []).map((/** @type {any} */ cause) => h('li', {},
    h('p', { class: 'cause', text: cause.text }),
    cause.evidence?.text ? h('pre', { text: cause.evidence.text }) : null,
    cause.next ? h('p', {}, 'Next: ', h('code', { text: cause.next })) : null,
    cause.evidence?.cursor
      ? h('button', { text: 'Show in the log', onclick: () => show(cause.evidence.cursor) }) : null));
  const last = said.lastLogs ?? [];
  return [
    said.text ? h('p', { text: said.text }) : null,
    causes.length ? h('ol', { class: 'causes' }, ...causes) : h('p', { text: `${name}: no cause is known.` }),
    last.length ? h('h3', { text: 'Its last lines' }) : null,
    last.length ? h('pre', { text: last.join('\n') }) : null,
  ].filter((part) => part !== null);
}
