// The page of the search over everything: its matches as they are found, newest first.

import { atNextFrame, h, setAttribute, setText } from '../lib/dom.js';
import { keep, place } from '../lib/router.js';
import { runs } from '../lib/store.js';
import { Everything } from './everything.js';
import { HitRow } from './hit.js';

/** How many rows are created in one frame. */
const STEP = 60;

/** The last search and its matches, for a return to this page. */
let last = /** @type {{ search: Everything, top: number } | null} */ (null);

export class SearchView {
  constructor() {
    /** @type {Map<import('./everything.js').Hit, HitRow>} */ this.rows = new Map();
    /** @type {WeakMap<Element, HitRow>} */ this.byElement = new WeakMap();
    /** @type {Everything | null} */ this.search = null;
    this.top = 0;
    this.abort = new AbortController();
    const toggle = (/** @type {string} */ name, /** @type {string} */ text, /** @type {string} */ title) =>
      h('button', { class: 'toggle', text, title, 'aria-label': title, onclick: () => this.change({ [name]: place.value.values[name] ? '' : '1' }) });
    this.cased = toggle('case', 'Aa', 'Match the case');
    this.regex = toggle('regex', '.*', 'Regular expression');
    this.status = h('span', { class: 'dim', role: 'status' });
    this.stop = h('button', { text: 'Stop', hidden: true, onclick: () => this.search?.stop() });
    this.more = h('button', { text: 'Find more', hidden: true, onclick: () => this.search?.more() });
    this.list = h('ol', { class: 'hits', onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event) });
    this.empty = h('p', { class: 'dim pad', text: 'Searches the logs of all runs, from their first line on, also of runs that are over.' });
    this.scroll = h('div', { class: 'hits-scroll' }, this.empty, this.list, h('p', { class: 'pad' }, this.more));
    this.element = h('section', { class: 'everything', 'aria-label': 'Search everything' },
      h('div', { class: 'figures-bar' }, this.cased, this.regex, this.stop, this.status), this.scroll);
    this.observer = new IntersectionObserver((entries) => this.seen(entries), { root: this.scroll });
    this.draw = atNextFrame(() => this.update());
    // The list of runs may arrive later.
    this.end = runs.watch(() => { if (!this.search?.walks.length) this.goTo(place.value.values); });
  }

  close() {
    this.isClosed = true;
    this.end();
    this.observer.disconnect();
    this.abort.abort();
    if (!this.search) return;
    this.search.onchange = () => {};
    this.search.stop();
    last = { search: this.search, top: this.scroll.scrollTop };
  }

  /** @param {Record<string, string>} values */
  change(values) {
    keep(values);
    this.goTo(place.value.values);
  }

  /** Search for what the address names. @param {Record<string, string>} values */
  goTo({ q, case: isCased, regex }) {
    const wish = { text: q ?? '', isCased: !!isCased, isRegex: !!regex };
    setAttribute(this.cased, 'aria-pressed', String(wish.isCased));
    setAttribute(this.regex, 'aria-pressed', String(wish.isRegex));
    const isSame = (/** @type {Everything | undefined} */ search) => !!search?.walks.length && JSON.stringify(search.wish) === JSON.stringify(wish);
    if (isSame(this.search ?? undefined)) return;
    this.search?.stop();
    this.abort.abort();
    this.abort = new AbortController();
    this.observer.disconnect();
    this.rows.clear();
    this.list.replaceChildren();
    this.top = 0;
    if (last && isSame(last.search)) ({ search: this.search, top: this.top } = last);
    else this.search = wish.text ? new Everything(wish, runs.value) : null;
    last = null;
    if (this.search) {
      this.search.onchange = this.draw;
      if (this.search.hits.length < this.search.most) this.search.start();
    }
    this.draw();
  }

  /** Go to the next or the previous match. @param {KeyboardEvent} event */
  key(event) {
    const by = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    const row = /** @type {Element} */ (event.target).closest('li');
    if (!by || !row) return;
    const to = by > 0 ? row.nextElementSibling : row.previousElementSibling;
    /** @type {HTMLElement | null | undefined} */ (to?.querySelector('a'))?.focus();
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {IntersectionObserverEntry[]} entries */
  seen(entries) {
    for (const entry of entries) {
      const row = entry.isIntersecting ? this.byElement.get(entry.target) : undefined;
      row?.complete(this.abort.signal);
    }
  }

  update() {
    if (this.isClosed) return;
    const { search } = this;
    this.empty.hidden = !!search;
    this.stop.hidden = !search?.isRunning;
    this.more.hidden = !search || search.isRunning || search.isDone;
    setText(this.status, search ? words(search) : '');
    if (!search) return;
    let made = 0;
    let before = null;
    // Insert each row after that of the previous match.
    for (const hit of search.hits) {
      let row = this.rows.get(hit);
      if (!row) {
        if (made === STEP) return this.draw();
        made += 1;
        row = new HitRow(hit, search.wish);
        this.rows.set(hit, row);
        this.byElement.set(row.element, row);
        if (before) before.after(row.element);
        else this.list.prepend(row.element);
        this.observer.observe(row.element);
      }
      before = row.element;
    }
    if (this.top) this.scroll.scrollTop = this.top;
    this.top = 0;
    return undefined;
  }
}

/** @param {Everything} search */
function words(search) {
  const { hits, walks, done, problem } = search;
  const count = `${hits.length.toLocaleString('en')} ${hits.length === 1 ? 'match' : 'matches'}`;
  const where = `${done} of ${walks.length} ${walks.length === 1 ? 'run' : 'runs'} searched`;
  const state = search.isRunning ? `${count} so far · ${where} …` : search.isDone ? `${hits.length ? count : 'no match'} in ${walks.length} ${walks.length === 1 ? 'run' : 'runs'}` : `the newest of more · ${count} · ${where}`;
  return problem ? `${state} · ${problem}` : state;
}
