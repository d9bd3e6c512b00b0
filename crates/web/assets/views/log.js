// The page of the log: the pane with its bars.

import { clearHistory } from '../lib/actions.js';
import { h, setAttribute, setText } from '../lib/dom.js';
import { similar } from '../lib/pattern.js';
import { askTime } from '../log/time.js';
import { go, keep, place } from '../lib/router.js';
import { changes, me, named, supervisor } from '../lib/store.js';
import { bytes, clock } from '../lib/time.js';
import { Pane } from '../log/pane.js';
import { folds, plain } from '../log/rows.js';
import { Search } from '../log/search.js';
import { Selection } from '../log/select.js';
import { compare } from '../log/source.js';
import { Tally, amount } from '../log/tally.js';
import { confirm } from './dialog.js';
import { menuButton } from './menu.js';

const TIMES = ['short', 'full', 'off'];
/** A click this close to the left edge of a line selects it, in pixels: phones show no times. */
const EDGE = 16;
/** A touch of this length selects the line, in milliseconds. */
const LONG = 500;
/** The address has the place of the log once it has not been scrolled for this long, in milliseconds. */
const REST = 200;
/** What the address has in place of the first line if the log follows although a line is selected. */
const END = 'end';

export class LogView {
  /** @param {string} run */
  constructor(run) {
    const { at, top } = place.value.values;
    this.pane = new Pane(run, top ? top === END : !at);
    this.pane.onlines = () => this.linesChanged();
    /** The selected line of the address. @type {string | null} */ this.at = null;
    /** The first line on the screen, as the address has it. */
    this.top = '';
    this.search = new Search(this.pane, () => this.selection.range?.[0]);
    const { search } = this;
    this.times = h('button', { class: 'toggle', onclick: () => this.nextTimes() });
    this.history = h('button', { class: 'quiet', text: 'Clear history', title: 'Remove what was logged so far', onclick: () => this.clearHistory() });
    this.wrap = h('button', { class: 'toggle', text: 'Wrap', onclick: () => this.toggleWrap() });
    this.fold = h('button', { class: 'toggle', text: 'Fold', title: 'Show lines that are JSON or logfmt in short', onclick: () => folds.set(!folds.value) });
    this.following = h('button', { class: 'toggle', text: 'Follow', title: 'Move with the end of the log (f)', onclick: () => (this.pane.follows.value ? this.pane.freeze() : this.pane.follow()) });
    this.onPage = [this.following, this.times, this.wrap, this.fold,
      h('button', { class: 'toggle', text: 'Clear view', title: 'Hide what is there now (c)', onclick: () => this.clear() }),
      h('button', { class: 'toggle', text: 'Copy', title: 'Copy the selected lines, or all on the page', onclick: () => this.copy() })];
    this.hiding = h('button', { class: 'toggle hiding', 'aria-pressed': 'true', hidden: true, title: 'Show them again', onclick: () => this.keepHidden([]) });
    this.bar = h('div', { class: 'log-bar' }, ...search.parts, this.hiding, h('span', { class: 'space' }), ...this.onPage,
      menuButton('⋯', 'More for the log', () => this.items()));
    this.selection = new Selection(this.pane, {
      onchange: () => this.selected(),
      onaround: (cursor) => go({ values: { ...place.value.values, names: '', at: cursor, to: '', top: '' } }),
      onfind: (text) => search.look(text),
      onhide: (text) => this.keepHidden([...this.pane.source.hidden, similar(text)]),
      oncopied: (text) => search.say(text),
    });
    this.pane.onreveal = (cursor) => { if (this.selection.range?.[0] !== cursor) this.selection.set([cursor, cursor]); };
    this.pane.place.chosen = () => this.selection.range?.[0] ?? null;
    this.place = h('span');
    this.whole = h('button', { class: 'quiet', text: 'Download', title: 'The whole log, as `tmo logs` prints it', onclick: () => this.download() });
    this.footer = h('footer', { class: 'log-foot' }, this.place, h('span', { class: 'space' }), this.history, this.whole);
    this.element = h('section', { class: 'log' }, this.bar, this.pane.element, this.selection.told, this.selection.element, this.footer);
    this.pane.rows.addEventListener('click', (event) => this.pick(event));
    this.pane.rows.addEventListener('rewritten', () => search.highlight());
    this.pane.rows.addEventListener('pointerdown', (event) => this.touched(event));
    for (const end of ['pointerup', 'pointercancel']) this.pane.rows.addEventListener(end, () => clearTimeout(this.touch));
    this.time = localStorage.getItem('tmo-times') ?? 'short';
    const wrap = localStorage.getItem('tmo-wrap');
    this.isWrapped = wrap === null ? matchMedia('(max-width: 700px)').matches : wrap === 'true';
    this.setTimes(this.time);
    this.setWrap(this.isWrapped);
    /** Called with the time of the lines on the screen. @type {(window: [number, number] | null, follows: boolean) => void} */
    this.onmoved = () => {};
    this.ontimeline = () => {};
    this.tally = new Tally(this.pane, () => this.foot());
    this.pane.onscroll = () => this.moved();
    this.ends = [supervisor.watch(() => this.foot()), me.watch(() => this.foot()), folds.watch((isOn) => setAttribute(this.fold, 'aria-pressed', String(isOn))), this.pane.follows.watch((isOn) => {
      setAttribute(this.following, 'aria-pressed', String(isOn));
      this.moved();
    })];
    this.ends.push(changes.watch(() => { if (this.at !== null) this.setNames(named(place.value.values.names), false); }));
    search.set(place.value.values.q ?? '', !!place.value.values.regex);
  }

  /** Show the processes and lines that the address names. @param {Record<string, string>} values */
  goTo({ names, hide, at = '', to, top = '' }) {
    const isFirst = this.at === null;
    const isThere = this.at === at && this.top === top;
    [this.at, this.top] = [at, top];
    this.setHidden((hide ?? '').split('\n').filter(Boolean), isFirst);
    this.setNames(named(names), isFirst);
    if (isThere) return;
    const { selection } = this;
    if (at && to && compare(at, to) < 0) selection.restore([at, to]);
    // Without the first line on the screen, the selected one is looked for.
    else if (selection.range?.[0] !== at || selection.range[1] !== at) selection.restore(at && top ? [at, at] : null);
    if (top && top !== END) this.pane.showFrom(top);
    else if (at && !top) this.pane.show(at);
    else this.pane.follow();
  }

  /** The reader has gone elsewhere: put the place into the address once that is over. */
  moved() {
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.keepPlace(), REST);
  }

  keepPlace() {
    const follows = this.pane.follows.value;
    // The entry of a dialog is not that of the log; and what is being fetched may be shown elsewhere.
    if (history.state?.dialog || (this.pane.busy && !follows)) this.moved();
    else if (this.at !== null) {
      const top = follows ? (this.at ? END : '') : this.pane.firstVisible() ?? '';
      if (top !== this.top) keep({ top });
      this.top = top;
    }
  }

  close() {
    for (const end of this.ends) end();
    clearTimeout(this.touch);
    clearTimeout(this.rest);
    this.tally.close();
    this.search.close();
    this.selection.close();
    this.pane.close();
  }

  /** @param {string[]} names @param {boolean} isFirst */
  setNames(names, isFirst) {
    if (names.join() === this.pane.source.names.join()) return;
    this.pane.source.names = names;
    this.pane.element.classList.toggle('one-name', names.length === 1);
    if (isFirst) return;
    this.pane.reset();
    this.search.countLater();
  }

  /** Leave these lines out, and keep that in the address. @param {string[]} hidden */
  keepHidden(hidden) {
    keep({ hide: hidden.join('\n') });
    this.setHidden(hidden, false);
  }

  /** @param {string[]} hidden @param {boolean} isFirst */
  setHidden(hidden, isFirst) {
    if (hidden.join() === this.pane.source.hidden.join()) return;
    this.pane.source.hidden = hidden;
    this.hiding.hidden = !hidden.length;
    setText(this.hiding, hidden.length === 1 ? '1 kind of line hidden ✕' : `${hidden.length} kinds of lines hidden ✕`);
    if (isFirst) return;
    this.pane.reset();
    this.search.countLater();
  }

  // Looks

  /** @param {string} times */
  setTimes(times) {
    this.time = times;
    localStorage.setItem('tmo-times', times);
    this.pane.element.dataset.times = times;
    setText(this.times, `Times: ${times}`);
  }

  nextTimes() {
    this.setTimes(TIMES[(TIMES.indexOf(this.time) + 1) % TIMES.length]);
  }

  /** @param {boolean} wrap */
  setWrap(wrap) {
    this.isWrapped = wrap;
    this.pane.element.classList.toggle('wraps', wrap);
    setAttribute(this.wrap, 'aria-pressed', String(wrap));
  }

  /** Only the user's choice is stored: a small screen wraps by itself. */
  toggleWrap() {
    this.setWrap(!this.isWrapped);
    localStorage.setItem('tmo-wrap', String(this.isWrapped));
  }

  async clear() {
    const { source } = this.pane;
    try {
      const { lines } = await source.before('end', undefined, 1);
      source.floor = lines.at(-1)?.cursor ?? source.floor;
    } catch (error) {
      this.search.say(/** @type {Error} */ (error).message);
      return;
    }
    this.pane.set([], false, false);
    this.pane.follow();
  }

  clearHistory() {
    const text = 'This removes what all processes of this project have printed so far, also in earlier runs, for all users of this log. The processes keep running. To hide it here only, use “Clear view”.';
    confirm('Clear the history?', text, 'Clear history', async () => {
      const stays = await clearHistory();
      this.pane.follow();
      if (stays.length) this.search.say(`not deleted: ${stays.join('; ')}`);
    });
  }

  async download() {
    try {
      await this.pane.source.download(null);
      this.search.say('the download begins');
    } catch (error) {
      this.search.say(/** @type {Error} */ (error).message);
    }
  }

  /** The menu items for buttons that do not fit. @returns {import('./menu.js').Item[]} */
  items() {
    const { regex, only } = this.search;
    const buttons = [regex, only, ...this.onPage, this.history, this.whole].filter((button) => !button.hidden);
    const label = (/** @type {HTMLElement} */ button) => (button === regex ? 'Regular expression' : button.textContent ?? '');
    const mark = (/** @type {HTMLElement} */ button) => (button.getAttribute('aria-pressed') === 'true' ? ' ✓' : '');
    return [...buttons.map((button) => /** @type {[string, () => void]} */ ([label(button) + mark(button), () => button.click()])),
      ['Go to a time …', () => askTime(this.pane)],
      ['Timeline', () => this.ontimeline()]];
  }

  /** Select a line whose time, name or edge was clicked; with Shift, extend the selection to it. @param {MouseEvent} event */
  pick(event) {
    const target = /** @type {Element} */ (event.target);
    const row = /** @type {HTMLElement | null} */ (target.closest('.row'));
    if (row && !target.closest('a, button') && (target.matches('.time, .name') || event.clientX < row.getBoundingClientRect().left + EDGE)) this.pickRow(row, event.shiftKey);
  }

  /** Select the line after a long touch. @param {PointerEvent} event */
  touched(event) {
    clearTimeout(this.touch);
    const row = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest('.row'));
    if (row && event.pointerType === 'touch') this.touch = setTimeout(() => this.pickRow(row, false), LONG);
  }

  /** @param {HTMLElement} row @param {boolean} isMore */
  pickRow({ dataset: { cursor } }, isMore) {
    if (!cursor) return;
    this.pane.freeze();
    if (isMore) document.getSelection()?.removeAllRanges();
    this.selection.pick(cursor, isMore);
  }

  /** Show all values of the selected line, or open its first link. Tab reaches the others. */
  open() {
    const text = this.pane.rows.querySelector('.here .text');
    /** @type {HTMLElement | null | undefined} */ (text?.querySelector('.opener') ?? text?.querySelector('a'))?.click();
  }

  /** Put the selected lines into the address. */
  selected() {
    const [from, to] = this.selection.range ?? ['', ''];
    this.at = from;
    this.pane.place.anchor = null;
    keep({ at: from, to: to === from ? '' : to });
  }

  async copy() {
    if (this.selection.range) return this.selection.copy('plain');
    const selection = document.getSelection();
    let text = this.pane.lines.map(plain).join('\n');
    if (selection && !selection.isCollapsed && this.pane.rows.contains(selection.anchorNode)) {
      const rows = [...this.pane.rows.children].filter((row) => selection.containsNode(row, true));
      const cursors = new Set(rows.map((row) => /** @type {HTMLElement} */ (row).dataset.cursor));
      text = this.pane.lines.filter((line) => cursors.has(line.cursor)).map(plain).join('\n');
    }
    try {
      await navigator.clipboard.writeText(text);
      this.search.say('copied');
    } catch {
      this.search.say('this browser does not let pages copy');
    }
    return undefined;
  }

  /** @param {KeyboardEvent} event */
  escape(event) {
    if (!this.search.text && this.selection.range) this.selection.clear();
    else this.search.typed(event);
  }

  linesChanged() {
    this.search.highlight();
    if (this.selection.range) this.selection.mark();
    this.foot();
  }

  foot() {
    const follows = this.pane.follows.value;
    this.history.hidden = me.value?.role !== 'admin' || supervisor.value !== 'up';
    const rows = this.onScreen();
    const window = rows && /** @type {[number, number]} */ ([rows[0], rows[rows.length - 1]].map((line) => Date.parse(line.time)));
    const span = window?.map((time) => clock(new Date(time))).join(' – ');
    this.onmoved(window, follows);
    const state = { up: '', gone: 'the supervisor does not answer', over: 'the run is over' }[supervisor.value];
    const mode = follows ? (supervisor.value === 'up' ? 'following' : 'at the end') : 'stopped here';
    const { extent } = this.pane.position;
    setText(this.place, [span, this.linesShown(rows ?? []), extent && bytes(extent.all), this.rate(), mode, state].filter(Boolean).join(' · '));
  }

  /** The numbers of the lines on the screen, and of all lines. @param {any[]} rows */
  linesShown(rows) {
    const { count } = this.tally;
    const before = this.pane.source.filter ? null : this.tally.before(rows);
    if (!count || before === null) {
      this.pane.showBehind('');
      return '';
    }
    const { all, is_exact: isExact } = count;
    const shown = rows.filter((line) => line.event === undefined).length;
    const left = Math.max(0, all - before - shown);
    this.pane.showBehind(left === 1 ? '1 line' : `${amount(left, isExact)} lines`);
    const [first, last] = [before + 1, Math.min(before + shown, all)].map((number) => amount(number, isExact));
    return shown ? `lines ${first}–${last} of ${amount(all, isExact)}` : `${amount(all, isExact)} lines`;
  }

  rate() {
    const { rate } = this.tally;
    return rate === null || supervisor.value !== 'up' ? '' : `${rate.toLocaleString('en')} lines/s`;
  }

  /** The lines on the screen; null if there are none. @returns {any[] | null} */
  onScreen() {
    const { pane } = this;
    const box = pane.view.getBoundingClientRect();
    const rows = pane.lines.slice(pane.loaded.at(box.top + 1), pane.loaded.at(box.bottom - 1) + 1);
    return rows.length ? rows : null;
  }
}
