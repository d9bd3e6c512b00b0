// Exports lines as Markdown, or as an element that can be saved as a page.

import { h } from '../lib/dom.js';
import { clock } from '../lib/time.js';
import { foldedRow } from './fold.js';
import { plain } from './rows.js';

/** A code block whose fence is longer than any in the text. @param {string} text */
export function block(text) {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}text\n${text}\n${fence}`;
}

/** Time, name and text of each line; for a gap, the number of lines left out. @param {any[]} lines */
export function table(lines) {
  const width = Math.max(3, ...lines.map((line) => (line.name ?? '').length));
  return lines.map((line) => line.left !== undefined ? `… ${line.left} more lines of ${line.name} …` : `${clock(new Date(line.time))} ${(line.name ?? 'tmo').padEnd(width)} | ${plain(line)}`).join('\n');
}

/** @param {any[]} lines @param {string} title @param {string} [note] */
export function article(lines, title, note = '') {
  return h('article', {},
    h('h2', { text: title }),
    note ? h('p', { class: 'dim', text: note }) : null,
    h('div', { class: 'around', tabindex: '0' }, ...lines.map(foldedRow)));
}
