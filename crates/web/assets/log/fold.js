// Folds the middle of long runs of lines of one process.

import { h } from '../lib/dom.js';
import { labelOf } from '../lib/store.js';
import { row } from './rows.js';

/** @typedef {{ left: number, name: string, lines: any[] }} Gap the lines that are left out, and their number */

/**
 * Leave out the middle of long runs of lines of one process.
 * @param {any[]} lines
 * @param {(line: any) => boolean} isOwn whether a line is of the subject and so never left out
 * @param {{ kept: number, least: number }} [how] lines shown on each side of a gap, and the least lines in a gap
 * @returns {(any | Gap)[]}
 */
export function fold(lines, isOwn, { kept, least } = { kept: 3, least: 2 }) {
  const folded = [];
  for (let from = 0; from < lines.length;) {
    const first = lines[from];
    let to = from;
    while (to < lines.length && lines[to].name === first.name && isOwn(lines[to]) === isOwn(first)) to += 1;
    const left = to - from - 2 * kept;
    if (isOwn(first) || left < least) folded.push(...lines.slice(from, to));
    else {
      const gap = { left, name: first.name ?? 'tmo', lines: lines.slice(from + kept, to - kept) };
      folded.push(...lines.slice(from, from + kept), gap, ...lines.slice(to - kept, to));
    }
    from = to;
  }
  return folded;
}

/** The row of a line or of a gap. Choosing a gap shows its lines. @param {any | Gap} line */
export function foldedRow(line) {
  if (line.left === undefined) return row(line);
  const show = () => gap.replaceWith(...line.lines.map(row));
  const gap = h('div', {
    class: 'row gap', role: 'button', tabindex: '0', title: 'Show them', onclick: show,
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (![' ', 'Enter'].includes(event.key)) return;
      event.preventDefault();
      show();
    },
  }, h('span', { class: 'text', text: `⋯ ${line.left.toLocaleString('en')} more lines of ${labelOf(line.name)} ⋯` }));
  return gap;
}
