// A dialog with the reason why a process has ended or does not start.

import { get } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { address, goToLog } from '../lib/router.js';
import { labelOf, run } from '../lib/store.js';
import { clock } from '../lib/time.js';
import { openCard } from '../crash/card.js';
import { endOf, reportId } from '../crash/report.js';
import { dialog } from './dialog.js';

/** Request the explanation of a process's state. @param {string} name @returns {Promise<any>} */
export async function explain(name) {
  try {
    return await get(`/r/${run.id}/api/processes/${encodeURIComponent(name)}/why`);
  } catch (error) {
    return { well: /** @type {Error} */ (error).message };
  }
}

/** @param {string} name */
export async function why(name) {
  const explanation = await explain(name);
  dialog(`Why ${labelOf(name)}?`, (close) => {
    const last = explanation.lastLogs ?? [];
    return [
      ...causes(name, explanation, close),
      ...(last.length ? [h('h3', { text: 'Its last lines' }), h('pre', { text: last.join('\n') })] : []),
      h('footer', {},
        h('a', { href: address({ run: run.id, view: 'process', values: { name } }), text: `All about ${name}`, onclick: close })),
    ];
  });
}

/**
 * The causes, each with its evidence.
 * @param {string} name @param {any} explanation @param {() => void} [leave] called before the log is opened
 */
export function causes(name, explanation, leave = () => {}) {
  if (explanation.well) return [h('p', { text: explanation.well })];
  /** @param {string} cursor */
  const show = (cursor) => { leave(); goToLog({ at: cursor }); };
  const items = (explanation.causes ?? []).map((/** @type {any} */ cause) => h('li', {},
    h('p', { class: 'cause', text: cause.text }),
    cause.place ? h('p', {}, 'In ', h('code', { text: cause.place })) : null,
    cause.evidence?.text && cause.evidence.text !== cause.text ? h('pre', { text: cause.evidence.text }) : null,
    cause.next ? h('p', {}, 'Next: ', h('code', { text: cause.next })) : null,
    cause.evidence?.cursor
      ? h('button', { text: 'Show in the log', onclick: () => show(cause.evidence.cursor) }) : null));
  const id = reportId(explanation.report);
  return [
    explanation.timestamp ? h('p', { class: 'dim', text: `It ${endOf(explanation)} at ${clock(new Date(explanation.timestamp))}${!explanation.wrong && explanation.state?.pid ? ', and runs again.' : '.'}` }) : null,
    items.length ? h('ol', { class: 'causes' }, ...items) : h('p', { text: `${name}: no cause is known.` }),
    id ? h('p', {}, h('button', { text: 'Crash report', onclick: () => { leave(); openCard(id); } })) : null,
  ].filter((part) => part !== null);
}
