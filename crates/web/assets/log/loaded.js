// The lines of the log that are on the page, as rows.

import { h } from '../lib/dom.js';
import { isShown, logRow } from './rows.js';

/** How many lines are kept on the page, and how many characters: lines can be long. */
const MOST = 1000;
const LARGEST = 4 << 20;

/** @typedef {{ lines: any[], more: boolean, at: string | null }} Page */

/** How many of these lines can be kept, from the first one on. @param {any[]} lines */
function fitting(lines) {
  let size = 0;
  const over = lines.findIndex((line, at) => {
    size += (line.text ?? '').length;
    return at >= MOST || (at > 0 && size > LARGEST);
  });
  return over < 0 ? lines.length : over;
}

export class Loaded {
  constructor() {
    /** @type {any[]} */ this.lines = [];
    this.moreUp = true;
    this.moreDown = false;
    /** Cursors for loading more, upwards and downwards. @type {string | null} */ this.top = null;
    /** @type {string | null} */ this.bottom = null;
    this.rows = h('div', { class: 'rows', id: 'log-rows', role: 'log', 'aria-live': 'off', 'aria-label': 'Log' });
  }

  /** Show exactly these lines. @param {any[]} lines @param {boolean} up @param {boolean} down @param {string} [top] */
  set(lines, up, down, top) {
    /** @type {Map<string, HTMLElement>} */
    const old = new Map();
    for (const element of this.rows.children) {
      old.set(/** @type {HTMLElement} */ (element).dataset.cursor ?? '', /** @type {HTMLElement} */ (element));
    }
    const before = new Map(this.lines.map((line) => [line.cursor, line]));
    const shown = lines.filter(isShown);
    this.rows.replaceChildren(...shown.map((line) => {
      const kept = before.get(line.cursor);
      const same = kept && kept.text === line.text && kept.unfinished === line.unfinished;
      return (same && old.get(line.cursor)) || logRow(line);
    }));
    this.lines = shown;
    [this.moreUp, this.moreDown] = [up, down];
    this.top = top ?? lines[0]?.cursor ?? null;
    this.bottom = lines.at(-1)?.cursor ?? null;
  }

  repaint() {
    this.rows.replaceChildren(...this.lines.map(logRow));
  }

  /** @param {Page} page @returns {number} by how much the first line that was there has moved up */
  append(page) {
    const shown = page.lines.filter(isShown);
    this.rows.append(...shown.map(logRow));
    this.lines.push(...shown);
    this.bottom = page.lines.at(-1)?.cursor ?? page.at ?? this.bottom;
    this.moreDown = page.more;
    const over = this.lines.length - fitting(this.lines.toReversed());
    if (over <= 0) return 0;
    const height = this.rows.scrollHeight;
    this.lines.splice(0, over);
    for (let at = 0; at < over; at += 1) this.rows.firstElementChild?.remove();
    this.top = this.lines[0].cursor;
    this.moreUp = true;
    return height - this.rows.scrollHeight;
  }

  /** @param {Page} page @returns {number} by how much the first line that was there has moved down */
  prepend(page) {
    const shown = page.lines.filter(isShown);
    const height = this.rows.scrollHeight;
    this.rows.prepend(...shown.map(logRow));
    const added = this.rows.scrollHeight - height;
    this.lines.unshift(...shown);
    this.top = page.at;
    this.moreUp = page.more;
    const most = fitting(this.lines);
    if (this.lines.length > most) {
      this.lines.splice(most);
      while (this.rows.childElementCount > most) this.rows.lastElementChild?.remove();
      this.bottom = this.lines.at(-1).cursor;
      this.moreDown = true;
    }
    return added;
  }

  /** Mark the first row of each block of one process: phones show the name only there. */
  markBlocks() {
    let before;
    for (let at = 0; at < this.lines.length; at += 1) {
      const { name } = this.lines[at];
      this.rows.children[at]?.classList.toggle('block', name !== before);
      before = name;
    }
  }

  /** The last line that begins above a height of the screen, found by halving. @param {number} y */
  at(y) {
    let [low, high] = [0, this.lines.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.rows.children[middle].getBoundingClientRect().top <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
