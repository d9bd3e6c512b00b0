// The selected lines: a range between two cursors, which may extend beyond the page.

import { h, setText } from '../lib/dom.js';
import { address, place } from '../lib/router.js';
import { saveAsPage } from '../lib/save.js';
import { me, run, supervisor } from '../lib/store.js';
import { full } from '../lib/time.js';
import { menuButton } from '../views/menu.js';
import { openAround } from './around.js';
import { article, block, table } from './export.js';
import { declareFailure } from './failure.js';
import { isShown, plain, setReachable } from './rows.js';
import { compare } from './source.js';

/** The most characters that are copied as text. */
const LARGEST = 32 << 20;
/** The most lines that are copied as Markdown or saved as a page. */
const MOST = 5000;

/** @param {Node | null} node @returns {HTMLElement | null} */
function rowOf(node) {
  return (node instanceof Element ? node : node?.parentElement)?.closest('.row') ?? null;
}

export class Selection {
  /**
   * @param {import('./pane.js').Pane} pane
   * @param {{ onchange: () => void, onaround: (cursor: string) => void, onfind: (text: string) => void, onhide: (text: string) => void, oncopied: (text: string) => void }} listener
   *   `oncopied` is called with the result of an action while nothing is selected and the bar is hidden
   */
  constructor(pane, listener) {
    this.pane = pane;
    this.listener = listener;
    /** First and last line. @type {[string, string] | null} */ this.range = null;
    this.anchor = '';
    /** The line to which the selection was extended last. */
    this.head = '';
    this.told = h('p', { class: 'unseen', 'aria-live': 'polite' });
    /** The selected text within one line, and the cursor of that line. */
    this.words = { text: '', cursor: '' };
    this.label = h('span', { class: 'dim' });
    const button = (/** @type {string} */ text, /** @type {() => void} */ work) => h('button', { text, onclick: work });
    this.status = h('span', { class: 'dim picked-status', role: 'status' });
    this.moment = h('button', { class: 'moment', text: 'Around this moment', onclick: () => this.around() });
    this.ofLines = [
      button('Copy', () => this.copy('plain')),
      button('Copy link', () => this.copyLink()),
      this.moment,
      menuButton('More', 'More for the selected lines', () => [
        // Phones have no room for this button.
        ...(this.moment.checkVisibility() ? [] : [/** @type {import('../views/menu.js').Item} */ (['Around this moment', () => this.around()])]),
        ...this.hideItem(),
        ['Copy with names and times', () => this.copy('times')],
        ['Copy as Markdown', () => this.copyMarkdown()],
        ['Save as page', () => this.save()],
        ['Download', () => this.download()],
      ]),
    ];
    this.find = button('Find this', () => listener.onfind(this.words.text));
    this.declare = button('Add as failure text', () => this.addFailure());
    this.element = h('div', {
      class: 'picked', role: 'toolbar', 'aria-label': 'Selected lines', hidden: true,
      // Selected text stays selected while a button is pressed.
      onmousedown: (/** @type {Event} */ event) => event.preventDefault(),
    }, this.label, ...this.ofLines, this.find, this.declare, this.status, h('span', { class: 'space' }),
    h('button', { class: 'quiet none', 'aria-label': 'Select nothing', text: '✕', onclick: () => this.clear() }));
    this.takeWords = () => this.setWords();
    document.addEventListener('selectionchange', this.takeWords);
  }

  close() {
    document.removeEventListener('selectionchange', this.takeWords);
  }

  /** Remember the selected text if it is within one line. */
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

  /** Show the actions for the selection. */
  show() {
    const { range, words } = this;
    this.element.hidden = !range && !words.text;
    for (const button of this.ofLines) button.hidden = !range;
    // What is shown in short has words that the line does not have.
    const of = words.text ? this.pane.lines.find((line) => line.cursor === words.cursor) : null;
    const isFound = !of || plain(of).includes(words.text);
    this.find.hidden = !words.text || !isFound;
    // A failure text is written into the project's configuration.
    this.declare.hidden = me.value?.role !== 'admin' || supervisor.value !== 'up' || !this.line()?.name || !isFound;
    if (!range) setText(this.label, words.text ? `“${words.text.length > 30 ? `${words.text.slice(0, 29)}…` : words.text}”` : '');
  }

  /** The line from which a failure text would be taken. */
  line() {
    const cursor = this.words.cursor || (this.range && this.range[0] === this.range[1] ? this.range[0] : '');
    return this.pane.lines.find((line) => line.cursor === cursor && line.event === undefined);
  }

  /** @returns {import('../views/menu.js').Item[]} */
  hideItem() {
    const line = this.line();
    return line?.text ? [['Hide lines like this', () => { this.clear(); this.listener.onhide(line.text); }]] : [];
  }

  addFailure() {
    const line = this.line();
    if (line) declareFailure(this.words.text || plain(line), line.name);
  }

  /** Select a line, or extend the selection to it. @param {string} cursor @param {boolean} isMore */
  pick(cursor, isMore) {
    if (!isMore || !this.anchor) this.anchor = cursor;
    this.head = cursor;
    const isAfter = compare(this.anchor, cursor) <= 0;
    this.set(isAfter ? [this.anchor, cursor] : [cursor, this.anchor]);
  }

  /** Select the next line in a direction, or extend the selection to it. @param {number} by 1 or -1 @param {boolean} isMore */
  step(by, isMore) {
    const { pane } = this;
    const { lines } = pane;
    const known = lines.findIndex((line) => line.cursor === (this.head || this.range?.[1]));
    const edge = by > 0 && !pane.follows.value ? pane.firstVisible() : pane.lastVisible();
    const at = known < 0 ? lines.findIndex((line) => line.cursor === edge) : known + by;
    const line = lines[at];
    if (!line) return;
    pane.freeze();
    this.pick(line.cursor, isMore);
    pane.rows.children[at].scrollIntoView({ block: 'nearest' });
    this.tell(plain(line));
  }

  /** Have a screen reader read a text, also if it is that of the line before. @param {string} text */
  tell(text) {
    setText(this.told, '');
    requestAnimationFrame(() => setText(this.told, text));
  }

  /** @param {[string, string] | null} range */
  set(range) {
    this.range = range;
    setText(this.status, '');
    if (!range) [this.anchor, this.head] = ['', ''];
    // It was set elsewhere, as by a search.
    else if (!range.includes(this.head) || !range.includes(this.anchor)) [this.anchor, this.head] = range;
    this.mark();
    this.listener.onchange();
  }

  /** Select what the address names. @param {[string, string] | null} range */
  restore(range) {
    this.range = range;
    [this.anchor, this.head] = range ?? ['', ''];
    this.mark();
  }

  /** Mark the rows of the range again after the rows have changed. */
  mark() {
    let count = 0;
    for (const element of this.pane.rows.children) {
      const cursor = /** @type {HTMLElement} */ (element).dataset.cursor ?? '';
      const isIn = !!this.range && compare(cursor, this.range[0]) >= 0 && compare(cursor, this.range[1]) <= 0;
      if (isIn) count += 1;
      if (element.classList.contains('here') === isIn) continue;
      element.classList.toggle('here', isIn);
      setReachable(element, isIn);
    }
    setText(this.label, this.range && this.range[0] === this.range[1] ? '1 line' : `${count} lines on this page`);
    this.show();
  }

  /** @param {'plain' | 'times'} form */
  async copy(form) {
    if (!this.range) return;
    const { range, pane } = this;
    await this.report(async () => {
      const { text, isCut } = await pane.source.text(range, form, LARGEST);
      await navigator.clipboard.writeText(text);
      const count = text.split('\n').length - 1;
      return `copied ${isCut ? 'only the first ' : ''}${count.toLocaleString('en')} ${count === 1 ? 'line' : 'lines'}`;
    }, 'not copied');
  }

  /** The lines of the range with their styles, up to a limit. @param {number} [limit] @returns {Promise<any[]>} */
  async lines(limit = MOST) {
    const [from, to] = /** @type {[string, string]} */ (this.range);
    const { source } = this.pane;
    // `after` excludes the line that it names, so begin at the line before.
    const above = await source.lines({ before: from, limit: 1 });
    const isIn = (/** @type {any} */ { cursor }) => compare(cursor, from) >= 0 && compare(cursor, to) <= 0;
    /** @type {any[]} */
    const lines = [];
    let at = above.lines.at(-1)?.cursor ?? above.previous ?? null;
    let page;
    // With a filter, a page may have fewer lines than there are.
    do {
      page = await source.lines({ after: at, limit });
      lines.push(...page.lines.filter((/** @type {any} */ line) => isIn(line) && isShown(line)));
      at = page.next ?? at;
    } while (page.more && compare(at, to) < 0 && lines.length < limit);
    return lines.slice(0, limit);
  }

  copyMarkdown() {
    return this.report(async () => {
      const lines = await this.lines();
      await navigator.clipboard.writeText(`${block(table(lines))}\n`);
      return `copied ${lines.length.toLocaleString('en')} ${lines.length === 1 ? 'line' : 'lines'}`;
    }, 'not copied');
  }

  save() {
    return this.report(async () => {
      const lines = await this.lines();
      const title = `${run.state?.title ?? 'tmo'}, ${full(new Date(lines[0]?.time ?? 0))}`;
      const note = lines.length === MOST ? `The first ${MOST.toLocaleString('en')} lines of the selection.` : '';
      return `saved as ${await saveAsPage(article(lines, title, note), title, title)}`;
    }, 'not saved');
  }

  download() {
    const { range, pane } = this;
    return this.report(async () => {
      await pane.source.download(range);
      return 'the download begins';
    }, 'not downloaded');
  }

  /** Open the output around the first line of the range. */
  around() {
    return this.report(async () => {
      const [first] = await this.lines(1);
      if (first) await openAround(this.pane.source.run, first, () => this.listener.onaround(first.cursor));
      return '';
    }, 'not shown');
  }

  /** Do some work and report its result. @param {() => Promise<string>} work @param {string} failed */
  async report(work, failed) {
    let message;
    try {
      message = await work();
    } catch (error) {
      message = `${failed}: ${/** @type {Error} */ (error).message}`;
    }
    if (this.element.hidden) this.listener.oncopied(message);
    else setText(this.status, message);
  }

  /** Copy the address of the selected lines, or of the first line on the screen if none is selected. */
  copyLink() {
    return this.report(async () => {
      const at = this.range || this.pane.follows.value ? null : this.pane.firstVisible();
      const { values } = place.value;
      const to = address({ ...place.value, values: at ? { ...values, at, to: '', top: '' } : { ...values, top: '' } });
      await navigator.clipboard.writeText(new URL(to, location.href).href);
      return 'link copied';
    }, 'not copied');
  }
}
