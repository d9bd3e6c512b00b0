// The card of a crash: its causes, the evidence, and the output of all processes around it.

import { h, setText } from '../lib/dom.js';
import { goToLog } from '../lib/router.js';
import { labelOf } from '../lib/store.js';
import { full, span } from '../lib/time.js';
import { foldedRow } from '../log/fold.js';
import { dialog } from '../views/dialog.js';
import { markdown } from './markdown.js';
import { loadCrash, sentence } from './report.js';
import { saveAsPage } from '../lib/save.js';

/** @typedef {import('./report.js').Crash} Crash */

/** @param {string} id of the report */
export async function openCard(id) {
  let crash;
  try {
    crash = await loadCrash(id);
  } catch (error) {
    dialog('Crash report', () => [h('p', { text: /** @type {Error} */ (error).message })]);
    return;
  }
  const loaded = crash;
  const element = dialog(`Crash of ${labelOf(loaded.report.processName)}`, (close) => content(loaded, close));
  element.classList.add('wide');
  // The end is shown among what was printed around it; the cause stays at the top.
  const [around, end] = [element.querySelector('.around'), element.querySelector('.around .bad')];
  if (around && end) around.scrollTop += end.getBoundingClientRect().bottom - around.getBoundingClientRect().bottom;
}

/** @param {Crash} crash @param {() => void} close */
function content(crash, close) {
  const { report, end } = crash;
  const article = card(crash);
  const status = h('span', { class: 'dim', role: 'status' });
  const show = () => {
    close();
    if (end) goToLog({ at: end });
  };
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(markdown(crash));
      setText(status, 'copied');
    } catch {
      setText(status, 'this browser does not let pages copy');
    }
  };
  const save = async () => setText(status, `saved as ${await saveAsPage(article, sentence(report), crash.id)}`);
  return [article, h('footer', {}, status, h('span', { class: 'space' }),
    end ? h('button', { text: 'Show in the log', onclick: show }) : null,
    h('button', { text: 'Copy as Markdown', onclick: copy }),
    h('button', { text: 'Save as page', onclick: save }))].filter((part) => part !== null);
}

/** Where a cause is, what shows it, and what to do next. @param {any} cause */
function details({ text, place, evidence, next }) {
  return [
    place ? h('p', {}, 'In ', h('code', { text: place })) : null,
    evidence && evidence.text !== text ? h('pre', { text: evidence.text }) : null,
    next ? h('p', {}, 'Next: ', h('code', { text: next })) : null,
  ];
}

/** The card itself, which can also be saved. @param {Crash} crash */
function card({ report, around, leftOut }) {
  const { tmo, processName } = report;
  const [first, ...others] = tmo.cause;
  const causes = others.map((/** @type {any} */ cause) => h('li', {},
    h('p', {}, h('span', { class: 'cause', text: cause.text }), h('span', { class: 'dim', text: `  (${cause.certainty})` })), ...details(cause)));
  const facts = [
    ['Ended', full(new Date(report.timestamp))], ['Ran for', span(tmo.uptime_ms)], ['Life', String(tmo.life)],
    ['Command', [report.command, ...(report.args ?? [])].join(' ')], ['Directory', tmo.cwd], ['Port', tmo.port],
  ].filter(([, value]) => value !== null && value !== undefined);
  let before;
  const lines = around.map((line) => {
    const element = foldedRow(line);
    element.classList.toggle('block', line.name !== before);
    before = line.name;
    if (line.name === processName && line.left === undefined) element.classList.add(line.event === 'exit' ? 'bad' : 'own');
    return element;
  });
  return h('article', { class: 'crash-card' },
    h('p', { class: 'sentence kind-bad', text: `✖ ${sentence(report)}` }),
    ...(first ? [h('p', { class: 'dim', text: `The cause is ${first.certainty}.` }), ...details(first)] : []),
    causes.length ? h('h3', { text: 'Other possible causes' }) : null,
    causes.length ? h('ol', { class: 'causes' }, ...causes) : null,
    h('dl', {}, ...facts.flatMap(([term, value]) => [h('dt', { text: term }), h('dd', { text: String(value) })])),
    h('h3', { text: 'What all processes printed around it' }),
    leftOut ? h('p', { class: 'dim', text: leftOut }) : null,
    h('div', { class: 'around', tabindex: '0' }, ...lines),
    report.lastLogs.length ? h('h3', { text: `The last lines of ${labelOf(processName)}` }) : null,
    report.lastLogs.length ? h('pre', { text: report.lastLogs.join('\n') }) : null);
}
