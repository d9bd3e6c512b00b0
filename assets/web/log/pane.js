// The log: a window over the journal. It fetches what it shows; while it follows, it fetches the end whenever
// that has moved, one request at a time.

import { atNextFrame, h, setText } from '../lib/dom.js';
import { Signal } from '../lib/signal.js';
import { head, run } from '../lib/store.js';
import { theme } from '../lib/theme.js';
import { bytes } from '../lib/time.js';
import { isShown, plain, row } from './rows.js';
import { ScrollBar } from './scrollbar.js';
import { PAGE, Source } from './source.js';
import { Unfinished } from './unfinished.js';

/** How many lines are kept on the page. */
const MOST = 1000;
const RESET = 'Older lines were removed from the log; it goes on with the oldest that is left.';
/** How close to an edge more is fetched, in pixels. */
const EDGE = 800;

export class Pane {
  /** @param {string} id the run @param {boolean} follows whether it begins at the end */
  constructor(id, follows) {
    this.source = new Source(id);
    /** @type {any[]} */ this.lines = [];
    this.moreUp = true;
    this.moreDown = false;
    /** Where to go on upwards and downwards. @type {string | null} */ this.top = null;
    /** @type {string | null} */ this.bottom = null;
    /** @type {Signal<boolean>} */ this.follows = new Signal(follows);
    this.busy = false;
    this.stale = false;
    this.flood = false;
    this.abort = new AbortController();
    this.drag = /** @type {number | null} */ (null);
    /** A button of the mouse is down on a line: nothing moves below it. */
    this.held = false;
    this.touch = 0;
    /** Where a line that was looked for has been put: being at the end there is not a wish to follow. */
    this.placed = -1;
    this.onlines = () => {};
    /** Called with the cursor of a line that was looked for. */
    this.onreveal = (/** @type {string} */ _cursor) => {};

    this.rows = h('div', { class: 'rows', id: 'log-rows', role: 'log', 'aria-live': 'off', 'aria-label': 'Log' });
    this.unfinished = new Unfinished(() => !this.moreDown && !this.source.only, () => this.source.names);
    this.unfinished.onchange = () => { if (this.follows.value && !this.isSelecting()) this.toEnd(); };
    this.view = h('div', { class: 'log-view', tabindex: '0' }, this.rows, this.unfinished.element);
    this.bar = new ScrollBar((share) => this.dragTo(share), (event) => this.key(event));
    this.note = h('p', { class: 'log-note', hidden: true });
    this.jump = h('button', { class: 'jump', hidden: true, onclick: () => this.follow() });
    this.element = h('div', { class: 'log-pane' }, this.view, this.bar.element, this.note, this.jump);
    this.view.addEventListener('scroll', () => this.scrolled());
    this.view.addEventListener('wheel', (event) => { if (event.deltaY < 0) this.freeze(); }, { passive: true });
    this.view.addEventListener('touchstart', (event) => { this.touch = event.touches[0].clientY; }, { passive: true });
    this.view.addEventListener('touchmove', (event) => { if (event.touches[0].clientY > this.touch + 8) this.freeze(); }, { passive: true });
    this.view.addEventListener('keydown', (event) => this.key(event));
    this.rows.addEventListener('pointerdown', (event) => { if (event.pointerType === 'mouse') this.held = true; });
    const release = () => {
      this.held = false;
      if (this.stale) this.moved();
    };
    this.selected = () => { if (this.stale) this.moved(); };
    for (const end of ['pointerup', 'pointercancel']) window.addEventListener(end, release);
    document.addEventListener('selectionchange', this.selected);
    this.measure = atNextFrame(() => this.locate());
    this.ends = [
      head.watch(() => this.moved()),
      theme.watch(() => this.repaint()),
      this.unfinished.end,
      () => {
        for (const end of ['pointerup', 'pointercancel']) window.removeEventListener(end, release);
        document.removeEventListener('selectionchange', this.selected);
      },
    ];
    this.observer = new ResizeObserver(() => { if (this.follows.value) this.toEnd(); });
    this.observer.observe(this.view);
    this.timer = setInterval(() => this.locate(), 1000);
  }

  close() {
    for (const end of this.ends) end();
    this.observer.disconnect();
    clearInterval(this.timer);
    this.abort.abort();
  }

  /** Begin anew: other processes, another filter. */
  reset() {
    this.abort.abort();
    this.abort = new AbortController();
    this.busy = false;
    const at = this.follows.value ? null : this.firstVisible();
    if (at) this.show(at);
    else this.follow();
  }

  // Following

  follow() {
    this.abort.abort();
    this.abort = new AbortController();
    this.busy = false;
    this.flood = true;
    this.follows.set(true);
    this.jump.hidden = true;
    this.fetchEnd();
  }

  freeze() {
    if (!this.follows.value) return;
    this.follows.set(false);
    this.moreDown = true;
    this.unfinished.update(false);
    this.jump.hidden = false;
    setText(this.jump, '↓ Follow');
  }

  moved() {
    if (!this.follows.value) return;
    if (this.isSelecting()) this.stale = true;
    else this.fetchEnd();
  }

  isSelecting() {
    if (this.held) return true;
    const selection = document.getSelection();
    return !!selection && !selection.isCollapsed && this.rows.contains(selection.anchorNode);
  }

  async fetchEnd() {
    if (this.busy) {
      this.stale = true;
      return;
    }
    this.busy = true;
    this.stale = false;
    const { signal } = this.abort;
    try {
      let isWhole = this.flood || this.bottom === null || this.lines.at(-1)?.unfinished === true;
      if (!isWhole) {
        const page = await this.source.after(this.bottom, signal);
        if (page.more || page.reset) isWhole = true;
        else if (this.follows.value) this.take(() => this.append(page));
      }
      this.flood = false;
      if (isWhole) {
        const page = await this.source.before('end', signal);
        if (this.follows.value) {
          const last = this.lines.at(-1)?.cursor;
          this.flood = last !== undefined && page.lines.every((/** @type {any} */ line) => line.cursor !== last);
          this.take(() => this.set(page.lines, page.more, false, page.at));
        }
      }
      this.problem(null);
    } catch (error) {
      if (signal.aborted) return;
      this.problem(/** @type {Error} */ (error).message);
    }
    this.busy = false;
    if (this.isSelecting()) return;
    if (this.follows.value) this.toEnd();
    if (this.stale) this.fetchEnd();
  }

  /** Change the rows, unless text is being selected: then it is done later. @param {() => void} work */
  take(work) {
    if (this.isSelecting()) this.stale = true;
    else work();
  }

  toEnd() {
    this.view.scrollTop = this.view.scrollHeight;
  }

  // The window

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
      return (same && old.get(line.cursor)) || row(line);
    }));
    this.lines = shown;
    [this.moreUp, this.moreDown] = [up, down];
    this.top = top ?? lines[0]?.cursor ?? null;
    this.bottom = lines.at(-1)?.cursor ?? null;
    this.changed();
  }

  /** Make the rows again, in the colours of the theme. */
  repaint() {
    const top = this.view.scrollTop;
    this.rows.replaceChildren(...this.lines.map(row));
    this.view.scrollTop = top;
    this.changed();
  }

  /** @param {{ lines: any[], more: boolean, at: string | null }} page */
  append(page) {
    const shown = page.lines.filter(isShown);
    this.rows.append(...shown.map(row));
    this.lines.push(...shown);
    this.bottom = page.lines.at(-1)?.cursor ?? page.at ?? this.bottom;
    this.moreDown = page.more;
    const over = this.lines.length - MOST;
    if (over > 0) {
      const height = this.rows.scrollHeight;
      this.lines.splice(0, over);
      for (let at = 0; at < over; at += 1) this.rows.firstElementChild?.remove();
      if (!this.follows.value) this.view.scrollTop -= height - this.rows.scrollHeight;
      this.top = this.lines[0].cursor;
      this.moreUp = true;
    }
    this.changed();
  }

  /** @param {{ lines: any[], more: boolean, at: string }} page */
  prepend(page) {
    const shown = page.lines.filter(isShown);
    const height = this.rows.scrollHeight;
    const top = this.view.scrollTop;
    this.rows.prepend(...shown.map(row));
    this.lines.unshift(...shown);
    this.view.scrollTop = top + this.rows.scrollHeight - height;
    this.top = page.at;
    this.moreUp = page.more;
    const over = this.lines.length - MOST;
    if (over > 0) {
      this.lines.splice(MOST);
      for (let at = 0; at < over; at += 1) this.rows.lastElementChild?.remove();
      this.bottom = this.lines.at(-1).cursor;
      this.moreDown = true;
    }
    this.changed();
  }

  /** Mark the first row of each block of one process: phones show its name there only. */
  markBlocks() {
    let before;
    for (let at = 0; at < this.lines.length; at += 1) {
      const { name } = this.lines[at];
      this.rows.children[at]?.classList.toggle('block', name !== before);
      before = name;
    }
  }

  changed() {
    this.markBlocks();
    this.unfinished.update(true);
    this.onlines();
    this.measure();
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.view;
    const below = scrollHeight - clientHeight - scrollTop;
    if (this.follows.value && below > 40 && !this.busy) this.freeze();
    const isWish = Math.abs(scrollTop - this.placed) > 1;
    if (isWish) this.placed = -1;
    if (!this.follows.value && below < 2 && !this.moreDown && isWish) this.follow();
    this.fill();
    this.measure();
  }

  /** Fetch more where the window ends. */
  async fill() {
    if (this.busy || this.follows.value && this.view.scrollTop > EDGE) return;
    const { scrollTop, scrollHeight, clientHeight } = this.view;
    const up = scrollTop < EDGE && this.moreUp && this.top;
    const down = !this.follows.value && scrollHeight - clientHeight - scrollTop < EDGE && this.moreDown;
    if (!up && !down) return;
    this.busy = true;
    const { signal } = this.abort;
    try {
      if (up) this.prepend(await this.source.before(/** @type {string} */ (this.top), signal));
      else {
        const page = await this.source.after(this.bottom, signal);
        if (page.reset) this.set(page.lines, false, page.more);
        else this.append(page);
        if (page.reset) this.problem(RESET);
      }
    } catch (error) {
      if (signal.aborted) return;
      this.problem(/** @type {Error} */ (error).message);
      return;
    } finally {
      if (!signal.aborted) this.busy = false;
    }
    if (this.view.scrollHeight <= this.view.clientHeight) this.fill();
  }

  // Places

  /** @param {(signal: AbortSignal) => Promise<void>} work */
  async go(work) {
    this.abort.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.freeze();
    this.busy = true;
    try {
      this.problem(null);
      await work(signal);
    } catch (error) {
      if (!signal.aborted) this.problem(/** @type {Error} */ (error).message);
    }
    if (!signal.aborted) this.busy = false;
  }

  /** Show the line with this cursor, with all around it. @param {string} cursor */
  show(cursor) {
    return this.go(async (signal) => {
      const above = await this.source.before(cursor, signal, PAGE / 2);
      const below = await this.source.after(above.lines.at(-1)?.cursor ?? null, signal);
      this.set([...above.lines, ...below.lines], above.more, below.more, above.at);
      if (this.reveal(cursor)) return;
      this.view.scrollTop = 0;
      const hidden = this.source.names.length || this.source.only || this.source.floor;
      this.problem(hidden ? 'That line is not among those that are shown.' : 'That line is no longer in the log.');
    });
  }

  /** @param {string} cursor */
  reveal(cursor) {
    const found = this.rows.querySelector(`[data-cursor="${CSS.escape(cursor)}"]`);
    if (!found) return false;
    this.onreveal(cursor);
    found.scrollIntoView({ block: 'center' });
    this.placed = this.view.scrollTop;
    return true;
  }

  first() {
    return this.go(async (signal) => {
      const page = await this.source.after(null, signal);
      this.set(page.lines, false, page.more);
      this.view.scrollTop = 0;
    });
  }

  /** The first line since a time. @param {string} time */
  since(time) {
    return this.go(async (signal) => {
      const page = await this.source.after(null, signal, { since: time, limit: 1 });
      const line = page.lines[0];
      if (!line) throw new Error('nothing was logged since then');
      await this.show(line.cursor);
    });
  }

  /** @param {number} share */
  dragTo(share) {
    if (share >= 0.999) return this.follow();
    const waits = this.drag !== null;
    this.drag = share;
    if (!waits) this.dragOn();
    return undefined;
  }

  async dragOn() {
    await this.go(async (signal) => {
      let done = null;
      while (this.drag !== null && this.drag !== done) {
        done = this.drag;
        const { all } = await this.source.extent(null, signal);
        const page = await this.source.after(null, signal, { at: Math.floor(all * done) });
        this.set(page.lines, true, page.more);
        this.view.scrollTop = 1;
      }
    });
    this.drag = null;
  }

  /** The cursor of the first line that can be seen. */
  firstVisible() {
    const top = this.view.getBoundingClientRect().top;
    for (const element of this.rows.children) {
      if (element.getBoundingClientRect().bottom > top) return /** @type {HTMLElement} */ (element).dataset.cursor ?? null;
    }
    return null;
  }

  /** Show on the scroll bar where the window is. */
  async locate() {
    if (this.locating || document.hidden || !run.id) return;
    this.locating = true;
    try {
      const at = this.follows.value ? null : this.firstVisible();
      if (!at && !this.follows.value && !this.lines.length) return;
      const { before, all } = await this.source.extent(at, this.abort.signal);
      this.extent = { before, all };
      if (this.drag === null) this.bar.show(this.follows.value ? 1 : all ? before / all : 0);
      if (!this.follows.value) setText(this.jump, `↓ Follow (${bytes(all - before)} below)`);
      this.onlines();
    } catch {
      // The next look may succeed.
    } finally {
      setTimeout(() => { this.locating = false; }, 200);
    }
  }

  /** @param {string | null} text */
  problem(text) {
    this.note.hidden = !text;
    setText(this.note, text ?? '');
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = this.view.clientHeight - 40;
    const by = { PageUp: -page, PageDown: page, ArrowUp: -40, ArrowDown: 40, ' ': event.shiftKey ? -page : page }[event.key];
    if (event.key === 'Home') this.first();
    else if (event.key === 'End') this.follow();
    else if (by) {
      if (by < 0) this.freeze();
      this.view.scrollBy({ top: by });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** The selected lines as text. */
  text() {
    return this.lines.map(plain).join('\n');
  }
}
