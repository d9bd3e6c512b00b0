// The selected lines: a range between two cursors, which may be longer than what is on the page.

import { h, setText } from '../lib/dom.js';
import { me, supervisor } from '../lib/store.js';
import { full } from '../lib/time.js';
import { declareFailure } from './failure.js';
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

/** @param {Node | null} node @returns {HTMLElement | null} */
function rowOf(node) {
  return (node instanceof Element ? node : node?.parentElement)?.closest('.row') ?? null;
}

export class Selection {
  /**
   * @param {import('./pane.js').Pane} pane
   * @param {{ onchange: () => void, onaround: (cursor: string) => void, onfind: (text: string) => void, oncopied: (text: string) => void }} listener
   */
  constructor(pane, listener) {
    this.pane = pane;
    this.listener = listener;
    /** First and last line. @type {[string, string] | null} */ this.range = null;
    this.anchor = '';
    /** Text that is selected in one line, and the cursor of that line. */
    this.words = { text: '', cursor: '' };
    this.label = h('span', { class: 'dim' });
    const button = (/** @type {string} */ text, /** @type {() => void} */ work) => h('button', { text, onclick: work });
    this.ofLines = [
      button('Copy', () => this.copy(false)),
      button('Copy with names', () => this.copy(true)),
      button('Copy link', () => this.copyLink()),
      button('All processes here', () => { if (this.range) listener.onaround(this.range[0]); }),
    ];
    this.find = button('Find this', () => listener.onfind(this.words.text));
    this.declare = button('Add as failure text', () => this.addFailure());
    this.element = h('div', {
      class: 'picked', role: 'toolbar', 'aria-label': 'Selected lines', hidden: true,
      // Selected text stays selected while a button is pressed.
      onmousedown: (/** @type {Event} */ event) => event.preventDefault(),
    }, this.label, ...this.ofLines, this.find, this.declare,
    h('button', { class: 'quiet', 'aria-label': 'Select nothing', text: '✕', onclick: () => this.clear() }));
    this.takeWords = () => this.setWords();
    document.addEventListener('selectionchange', this.takeWords);
  }

  close() {
    document.removeEventListener('selectionchange', this.takeWords);
  }

  /** Learn which text is selected, if it is part of one line. */
  setWords() {
    const selection = document.getSelection();
    const row = selection && !selection.isCollapsed ? rowOf(selection.anchorNode) : null;
    const isOne = row !== null && row === rowOf(selection?.focusNode ?? null) && this.pane.rows.contains(row);
    this.words = isOne ? { text: String(selection).trim(), cursor: row.dataset.cursor ?? '' } : { text: '', cursor: '' };
    this.show();
  }

  clear() {
    document.getSelection()?.removeAllRanges();
    this.set(null);
  }

  /** Show what can be done with what is selected. */
  show() {
    const { range, words } = this;
    this.element.hidden = !range && !words.text;
    for (const button of this.ofLines) button.hidden = !range;
    this.find.hidden = !words.text;
    this.declare.hidden = me.value?.role === 'read' || supervisor.value !== 'up' || !this.line()?.name;
    if (!range) setText(this.label, words.text ? `“${words.text.length > 30 ? `${words.text.slice(0, 29)}…` : words.text}”` : '');
  }

  /** The line that a failure text would be taken from. */
  line() {
    const cursor = this.words.cursor || (this.range && this.range[0] === this.range[1] ? this.range[0] : '');
    return this.pane.lines.find((line) => line.cursor === cursor && line.event === undefined);
  }

  addFailure() {
    const line = this.line();
    if (line) declareFailure(this.words.text || plain(line), line.name);
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
    this.show();
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
