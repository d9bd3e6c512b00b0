// The selected lines: a range between two cursors, which may be longer than what is on the page.

import { h, setText } from '../lib/dom.js';
import { full } from '../lib/time.js';
import { isShown, plain } from './rows.js';

/** How many lines are copied at most. */
const MOST = 100_000;

/** Which of two cursors (`12.340`) comes first; negative if it is the first one. @param {string} a @param {string} b */
export function compare(a, b) {
  const [record, byte] = a.split('.').map(Number);
  const [otherRecord, otherByte] = b.split('.').map(Number);
  return record - otherRecord || byte - otherByte;
}

/**
 * A line as text.
 * @param {any} line @param {boolean} withNames also the time and the name of its process
 */
export function asText(line, withNames) {
  return withNames ? `${full(new Date(line.time))} ${line.name ?? '-'}: ${plain(line)}` : plain(line);
}

export class Selection {
  /**
   * @param {import('./pane.js').Pane} pane
   * @param {{ onchange: () => void, onaround: (cursor: string) => void, oncopied: (text: string) => void }} listener
   */
  constructor(pane, listener) {
    this.pane = pane;
    this.listener = listener;
    /** First and last line. @type {[string, string] | null} */ this.range = null;
    this.anchor = '';
    this.label = h('span', { class: 'dim' });
    const button = (/** @type {string} */ text, /** @type {() => void} */ work) => h('button', { text, onclick: work });
    this.element = h('div', { class: 'picked', role: 'toolbar', 'aria-label': 'Selected lines', hidden: true },
      this.label,
      button('Copy', () => this.copy(false)),
      button('Copy with names', () => this.copy(true)),
      button('Copy link', () => this.copyLink()),
      button('All processes here', () => { if (this.range) listener.onaround(this.range[0]); }),
      h('button', { class: 'quiet', 'aria-label': 'Select nothing', text: '✕', onclick: () => this.set(null) }));
  }

  /** Select a line, or all from the one before to this one. @param {string} cursor @param {boolean} isMore */
  pick(cursor, isMore) {
    if (!isMore || !this.anchor) this.anchor = cursor;
    const isAfter = compare(this.anchor, cursor) <= 0;
    this.set(isAfter ? [this.anchor, cursor] : [cursor, this.anchor]);
  }

  /** @param {[string, string] | null} range */
  set(range) {
    this.range = range;
    if (!range) this.anchor = '';
    else this.anchor ||= range[0];
    this.element.hidden = !range;
    this.mark();
    this.listener.onchange();
  }

  /** Mark the rows of the range, after they have changed. */
  mark() {
    let count = 0;
    for (const element of this.pane.rows.children) {
      const cursor = /** @type {HTMLElement} */ (element).dataset.cursor ?? '';
      const isIn = !!this.range && compare(cursor, this.range[0]) >= 0 && compare(cursor, this.range[1]) <= 0;
      if (isIn) count += 1;
      element.classList.toggle('here', isIn);
    }
    setText(this.label, this.range && this.range[0] === this.range[1] ? '1 line' : `${count} lines on this page`);
  }

  /** The text of the range, read from the journal. @param {boolean} withNames */
  async text(withNames) {
    if (!this.range) return { text: '', count: 0 };
    const [from, to] = this.range;
    const { source } = this.pane;
    // `after` leaves out the line that it names, so this begins at the line before.
    const above = await source.lines({ before: from, limit: 1, styles: false });
    let after = above.lines.at(-1)?.cursor ?? null;
    /** @type {string[]} */
    const lines = [];
    while (lines.length < MOST) {
      const page = await source.lines({ after, limit: 5000, styles: false });
      const part = page.lines.filter((/** @type {any} */ line) => compare(line.cursor, from) >= 0 && compare(line.cursor, to) <= 0);
      for (const line of part) if (isShown(line)) lines.push(asText(line, withNames));
      const last = page.lines.at(-1)?.cursor;
      after = page.next ?? last;
      if (!page.more || (last && compare(last, to) >= 0)) break;
    }
    return { text: `${lines.slice(0, MOST).join('\n')}\n`, count: Math.min(MOST, lines.length) };
  }

  /** @param {boolean} withNames */
  async copy(withNames) {
    try {
      const { text, count } = await this.text(withNames);
      await navigator.clipboard.writeText(text);
      const only = count === MOST ? 'only the first ' : '';
      this.listener.oncopied(`copied ${only}${count.toLocaleString('en')} ${count === 1 ? 'line' : 'lines'}`);
    } catch (error) {
      this.listener.oncopied(`not copied: ${/** @type {Error} */ (error).message}`);
    }
  }

  async copyLink() {
    try {
      await navigator.clipboard.writeText(location.href);
      this.listener.oncopied('link copied');
    } catch (error) {
      this.listener.oncopied(`not copied: ${/** @type {Error} */ (error).message}`);
    }
  }
}
