// Goes to a time in the log.

import { h, setText } from '../lib/dom.js';
import { dialog } from '../views/dialog.js';

/** A time of day is one of this browser, as the log shows it; the server may be elsewhere. @param {string} time */
function inFull(time) {
  const parts = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(time);
  if (parts && (Number(parts[1]) > 23 || Number(parts[2]) > 59 || Number(parts[3] ?? 0) > 59)) throw new Error(`${time} is not a time of day`);
  return parts ? new Date(new Date().setHours(Number(parts[1]), Number(parts[2]), Number(parts[3] ?? 0), 0)).toISOString() : time;
}

/** The first line since a time. @param {import('./source.js').Source} source @param {string} since @param {AbortSignal} signal @returns {Promise<any>} */
async function firstSince(source, since, signal) {
  let answer = await source.lines({ since, limit: 1, styles: false }, signal);
  // Each request of a search reads only a few MiB.
  while (!answer.lines.length && answer.more && answer.next) {
    answer = await source.lines({ after: answer.next, limit: 1, styles: false }, signal);
  }
  return answer.lines[0];
}

/** @param {import('./pane.js').Pane} pane */
export function askTime(pane) {
  const input = /** @type {HTMLInputElement} */ (h('input', {
    class: 'field', type: 'text', required: true, placeholder: '15:04', spellcheck: 'false', autocomplete: 'off',
  }));
  const problem = h('p', { class: 'kind-bad', role: 'alert' });
  let search = new AbortController();
  const find = async (/** @type {() => void} */ close) => {
    search.abort();
    search = new AbortController();
    const { signal } = search;
    setText(problem, '');
    try {
      const line = await firstSince(pane.source, inFull(input.value.trim()), signal);
      if (signal.aborted) return undefined;
      if (!line) return setText(problem, 'Nothing has been printed since then.');
      close();
      return await pane.showFrom(line.cursor);
    } catch (error) {
      return signal.aborted ? undefined : setText(problem, /** @type {Error} */ (error).message);
    }
  };
  const element = dialog('Go to a time', (close) => [
    h('form', { onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); find(close); } },
      h('label', {}, h('span', { class: 'dim', text: 'A time of today (15:04), how long ago (10m), or a date and a time (2026-11-26T15:04:00Z)' }), input),
      problem,
      h('footer', {}, h('button', { type: 'button', text: 'Cancel', onclick: close }), h('button', { type: 'submit', text: 'Go' }))),
  ]);
  element.addEventListener('close', () => search.abort());
  input.focus();
}
