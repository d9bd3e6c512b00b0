// Lines without the middle of long runs of one process, which can be shown again.

import { h } from '../lib/dom.js';
import { row } from './rows.js';

/** @typedef {{ left: number, name: string, lines: any[] }} Gap lines of a process that are left out, and how many */

/**
 * Leave out the middle of long runs of lines of one process.
 * @param {any[]} lines
 * @param {(line: any) => boolean} isOwn whether a line is what this is about: it is never left out
 * @param {{ kept: number, least: number }} [how] how many lines are shown on each side of a gap, and how many a gap has at least
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

/** The row of a line, or one that tells what is left out and shows it when it is chosen. @param {any | Gap} line */
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
  }, h('span', { class: 'text', text: `⋯ ${line.left.toLocaleString('en')} more lines of ${line.name} ⋯` }));
  return gap;
}
