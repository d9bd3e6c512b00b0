// What all processes printed around a moment.

import { get, query } from '../lib/api.js';
import { h, setText } from '../lib/dom.js';
import { saveAsPage } from '../lib/save.js';
import { full } from '../lib/time.js';
import { dialog } from '../views/dialog.js';
import { article, block, table } from './export.js';
import { isShown } from './rows.js';

/** So many nanoseconds before and after the moment; `tmo logs --around` has the same. */
const WINDOW = 2_000_000_000n;
/** How many lines are shown of each side, the nearest. */
const MOST = 1000;

/** A time as the journal has it, moved by nanoseconds. @param {string} time @param {bigint} by */
function moved(time, by) {
  const [, seconds, fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(time) ?? [];
  const nanoseconds = BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9)) + by;
  const whole = new Date(Number(nanoseconds / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${whole}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}Z`;
}

/** @param {string} run @param {any} line @returns {Promise<{ lines: any[], isCut: boolean }>} */
async function read(run, line) {
  const ask = (/** @type {object} */ values) => get(`/r/${run}/api/lines${query({ styles: true, limit: MOST, ...values })}`);
  const above = await ask({ since: moved(line.time, -WINDOW), before: line.cursor });
  const below = await ask({ until: moved(line.time, WINDOW), after: line.cursor });
  return { lines: [...above.lines, line, ...below.lines].filter(isShown), isCut: above.more || below.more };
}

/** @param {string} run @param {any} line @param {() => void} onshow called to show the moment in the log */
export async function openAround(run, line, onshow) {
  const { lines, isCut } = await read(run, line);
  const title = `Around ${full(new Date(line.time))}`;
  const note = isCut ? `All processes, 2 seconds before and after; the nearest ${lines.length.toLocaleString('en')} lines.` : 'All processes, 2 seconds before and after.';
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
