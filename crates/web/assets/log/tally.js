// The number of lines in the log, and how fast it grows. The server counts step by step; until it has finished, the
// numbers are estimates.

import { head } from '../lib/store.js';
import { everySecond } from '../lib/visible.js';

/** The pause before the next step of an unfinished count, in milliseconds. */
const SOON = 250;

export class Tally {
  /** @param {import('./pane.js').Pane} pane @param {() => void} onchange */
  constructor(pane, onchange) {
    this.pane = pane;
    this.onchange = onchange;
    /** @type {{ before: number, all: number, is_exact: boolean } | null} */ this.count = null;
    /** The cursor up to which `before` counts. @type {string | null} */ this.at = null;
    /** Lines per second; null if unknown. @type {number | null} */ this.rate = null;
    /** @type {{ all: number, time: number, names: string } | null} */ this.last = null;
    this.known = '';
    this.isBusy = false;
    this.end = everySecond(() => this.update());
  }

  close() {
    this.end();
    clearTimeout(this.timer);
  }

  async update() {
    const { pane } = this;
    const at = pane.firstVisible();
    const names = pane.source.names.join();
    const key = JSON.stringify([head.value, at, names]);
    if (this.isBusy || !head.value || document.hidden) return;
    if (key === this.known) {
      if (this.rate) this.measure(performance.now(), names);
      return;
    }
    this.isBusy = true;
    try {
      this.count = await pane.source.count(at, pane.abort.signal);
      this.at = at;
      this.known = this.count?.is_exact ? key : '';
      this.measure(performance.now(), names);
      if (!this.known) this.timer = setTimeout(() => this.update(), SOON);
    } catch {
      // The next request may succeed.
    } finally {
      this.isBusy = false;
    }
  }

  /**
   * The number of lines before the first of these rows; null if unknown.
   * @param {any[]} rows the rows on the screen
   */
  before(rows) {
    const { count, pane } = this;
    if (!count) return null;
    const isOutput = (/** @type {any} */ line) => line.event === undefined;
    if (pane.follows.value) return Math.max(0, count.all - rows.filter(isOutput).length);
    // The reader may have scrolled since the lines were counted.
    const from = pane.lines.findIndex((line) => line.cursor === this.at);
    const to = pane.lines.indexOf(rows[0]);
    if (from < 0 || to < 0) return null;
    const between = pane.lines.slice(Math.min(from, to), Math.max(from, to)).filter(isOutput).length;
    return count.before + (to < from ? -between : between);
  }

  /** @param {number} time @param {string} names */
  measure(time, names) {
    const { count, last } = this;
    if (!count?.is_exact) this.last = null;
    else {
      const isSame = last !== null && last.names === names && count.all >= last.all;
      this.rate = isSame ? Math.round(((count.all - last.all) * 1000) / Math.max(1, time - last.time)) : null;
      this.last = { all: count.all, time, names };
    }
    this.onchange();
  }
}

/** `1,204,311`, or `≈ 1.2 M`. @param {number} number @param {boolean} isExact */
export function amount(number, isExact) {
  if (isExact) return number.toLocaleString('en');
  return `≈ ${new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 2 }).format(number)}`;
}
