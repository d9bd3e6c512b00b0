// The flags that were found in the output of a process, and its failure texts.

import { get, post, query } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { goToLog } from '../lib/router.js';
import { me, run, supervisor } from '../lib/store.js';
import { clock, ms } from '../lib/time.js';
import { confirm } from '../views/dialog.js';

/** How many matches of a flag are listed. */
const LAST = 5;

/** Show the line of a flag in the log. It is searched by its time, as the API has no cursor of it. @param {string} name @param {any} match */
async function show(name, match) {
  const since = new Date(Math.floor(ms(match.time)) - 1).toISOString();
  const page = await get(`/r/${run.id}/api/lines${query({ name, since, limit: 200 })}`);
  const line = page.lines.find((/** @type {any} */ one) => one.text === match.line) ?? page.lines[0];
  if (line) goToLog({ at: line.cursor });
}

/** The flags of a process, with their last matches. @param {any} process */
export async function flags(process) {
  const counted = process.flags ?? [];
  if (!counted.length) return null;
  /** @type {any[]} */
  let found = [];
  try {
    ({ flags: found } = await get(`/r/${run.id}/api/processes/${encodeURIComponent(process.name)}/flags?last=${LAST}`));
  } catch {
    // Without a supervisor, only the counts are known.
  }
  return h('section', { class: 'panel' }, h('header', {}, h('h2', { text: 'Flags' })),
    ...counted.map((/** @type {any} */ flag) => {
      const matches = found.find((one) => one.flag === flag.name)?.matches ?? [];
      const most = flag.target === undefined || flag.target === null ? '' : ` of at most ${flag.target}`;
      return h('div', { class: 'flag' },
        h('h3', { class: flag.exceeded ? 'kind-bad' : '' }, `⚑ ${flag.name} `, h('span', { class: 'dim', text: `found ${flag.count.toLocaleString('en')} times${most}` })),
        h('ol', { class: 'matches' }, ...matches.toReversed().map((/** @type {any} */ match) => h('li', {},
          h('button', { class: 'quiet link', text: clock(new Date(ms(match.time))), 'aria-label': `Show the line of ${clock(new Date(ms(match.time)))} in the log`, onclick: () => show(process.name, match) }),
          h('code', { text: match.line })))));
    }));
}

/**
 * The failure texts; null if the server does not list them for this session.
 * @param {string} name @param {() => void} onchange called when one was removed
 */
export async function failureTexts(name, onchange) {
  if (supervisor.value !== 'up') return null;
  let answer;
  try {
    answer = await get(`/r/${run.id}/api/failure-declarations/${encodeURIComponent(name)}`);
  } catch {
    return null;
  }
  const texts = answer.failure_strings ?? [];
  if (!texts.length) return null;
  const problem = h('p', { class: 'kind-bad', role: 'alert' });
  const remove = async (/** @type {string} */ text) => {
    try {
      await post(`/r/${run.id}/api/failure-declarations/${encodeURIComponent(name)}/remove`, { failure_string: text });
      onchange();
    } catch (error) {
      problem.textContent = /** @type {Error} */ (error).message;
    }
  };
  const askToRemove = (/** @type {string} */ text) => confirm('Remove this failure text?',
    `“${text}” is removed from failure_declarations.json. Lines with it no longer count as failures.`, 'Remove', () => remove(text));
  return h('section', { class: 'panel' }, h('header', {}, h('h2', { text: 'Failure texts' })),
    h('ul', { class: 'matches' }, ...texts.map((/** @type {string} */ text) => h('li', {}, h('code', { text, title: text }),
      h('span', { class: 'space' }), me.value?.role === 'admin' ? h('button', { text: 'Remove', 'aria-label': `Remove the failure text ${text}`, onclick: () => askToRemove(text) }) : null))), problem);
}
