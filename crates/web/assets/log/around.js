// A dialog with the output of all processes around a moment.

import { get, query } from '../lib/api.js';
import { h, setText } from '../lib/dom.js';
import { saveAsPage } from '../lib/save.js';
import { run } from '../lib/store.js';
import { full } from '../lib/time.js';
import { dialog } from '../views/dialog.js';
import { article, block, table } from './export.js';
import { fold } from './fold.js';
import { isShown } from './rows.js';

/** Nanoseconds before and after the moment, as in `tmo logs --around`. */
const WINDOW = 2_000_000_000n;
/** How many lines are read on each side. */
const MOST = 8000;
/** No more lines are read of a process that has a larger share of the lines than this. */
const LOUD = 0.1;
/** Only very long runs of lines are folded. */
const FOLDED = { kept: 4, least: 50 };

/** A time of the journal, moved by nanoseconds. @param {string} time @param {bigint} by */
function moved(time, by) {
  const [, seconds, fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(time) ?? [];
  const nanoseconds = BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9)) + by;
  const whole = new Date(Number(nanoseconds / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${whole}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}Z`;
}

/**
 * Read the output around a line. If one process floods the log, the others are still read for the whole time.
 * @param {string} id of the run @param {any} line
 * @returns {Promise<{ lines: any[], cut: string[] }>} `cut` names the processes with only their nearest lines
 */
async function read(id, line) {
  const ask = (/** @type {object} */ values) => get(`/r/${id}/api/lines${query({ styles: true, limit: MOST, ...values })}`);
  const older = (/** @type {string} */ before, name = /** @type {string[]} */ ([])) => ask({ since: moved(line.time, -WINDOW), before, name });
  const newer = (/** @type {string} */ after, name = /** @type {string[]} */ ([])) => ask({ until: moved(line.time, WINDOW), after, name });
  const above = await older(line.cursor);
  const below = await newer(line.cursor);
  const near = [...above.lines, line, ...below.lines];
  const cut = above.more || below.more ? [...run.processes.keys()].filter((name) => near.filter((one) => one.name === name).length > near.length * LOUD) : [];
  const others = [...run.processes.keys()].filter((name) => !cut.includes(name));
  const first = above.more && others.length ? (await older(above.lines[0].cursor, others)).lines : [];
  const last = below.more && others.length ? (await newer(below.lines.at(-1).cursor, others)).lines : [];
  return { lines: [...first, ...near, ...last].filter(isShown), cut };
}

/** @param {string} id of the run @param {any} line @param {() => void} onshow shows the moment in the log */
export async function openAround(id, line, onshow) {
  const { lines: all, cut } = await read(id, line);
  const lines = fold(all, (one) => one.cursor === line.cursor, FOLDED);
  const title = `Around ${full(new Date(line.time))}`;
  const note = `All processes, 2 seconds before and after${cut.length ? `; of ${cut.join(', ')} only the nearest lines` : ''}.`;
  const content = article(lines, title, note);
  content.firstElementChild?.remove();
  const status = h('span', { class: 'dim', role: 'status' });
  const copy = async (/** @type {string} */ text) => {
    try {
      await navigator.clipboard.writeText(text);
      setText(status, 'copied');
    } catch {
      setText(status, 'this browser does not let pages copy');
    }
  };
  const save = async () => setText(status, `saved as ${await saveAsPage(article(lines, title, note), title, title)}`);
  const element = dialog(title, (close) => [content, h('footer', {}, status, h('span', { class: 'space' }),
    h('button', { text: 'Show in the log', onclick: () => { close(); onshow(); } }),
    h('button', { text: 'Copy as Markdown', onclick: () => copy(`${block(table(lines))}\n`) }),
    h('button', { text: 'Save as page', onclick: save }))]);
  element.classList.add('wide');
  const own = [...content.querySelectorAll('.row')].find((row) => /** @type {HTMLElement} */ (row).dataset.cursor === line.cursor);
  own?.classList.add('here');
  own?.scrollIntoView({ block: 'center' });
}
