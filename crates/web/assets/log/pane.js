// The log: a window over the journal. It fetches only the lines that it shows. While it follows, it fetches the end
// each time that has moved, with one request at a time.

import { h, setText } from '../lib/dom.js';
import { Signal } from '../lib/signal.js';
import { head } from '../lib/store.js';
import { theme } from '../lib/theme.js';
import { bytes } from '../lib/time.js';
import { Hold } from './hold.js';
import { Loaded } from './loaded.js';
import { Place } from './place.js';
import { Position } from './position.js';
import { folds } from './rows.js';
import { PAGE, Source } from './source.js';
import { Unfinished } from './unfinished.js';

const RESET = 'Older lines were removed from the log; it goes on with the oldest that is left.';
/** The shortest time between two requests while following, in milliseconds. */
const PAUSE = 80;
/** During a flood of output, only about one screenful is fetched. */
const SCREENFUL = 80;
/** More lines are fetched this close to an edge, in pixels. */
const EDGE = 800;

export class Pane {
  /** @param {string} id the run @param {boolean} follows whether it begins at the end */
  constructor(id, follows) {
    this.source = new Source(id);
    this.loaded = new Loaded();
    /** @type {Signal<boolean>} */ this.follows = new Signal(follows);
    this.busy = false;
    this.stale = false;
    /** Whether output arrives faster than it is fetched. */
    this.flood = false;
    /** Whether the end must be fetched again. */
    this.isReset = false;
    /** When the next request may be made. */
    this.next = 0;
    this.abort = new AbortController();
    this.touch = 0;
    /** Where the reader is. @type {import('./place.js').Anchor | null} */
    this.seen = null;
    /** How many bytes of output come after the page. */
    this.below = 0;
    this.onlines = () => {};
    /** Called when the reader goes elsewhere in the log. */
    this.onscroll = () => {};
    /** Called with the cursor of the line that `show` reveals. */
    this.onreveal = (/** @type {string} */ _cursor) => {};

    this.rows = this.loaded.rows;
    this.unfinished = new Unfinished(() => !this.loaded.moreDown && !this.source.only, () => this.source);
    this.unfinished.onchange = () => { if (this.follows.value && !this.hold.isSelecting) this.toEnd(); };
    this.view = h('div', { class: 'log-view', tabindex: '0' }, this.rows, this.unfinished.element);
    this.place = new Place(this.view, this.loaded);
    this.note = h('p', { class: 'log-note', hidden: true });
    this.jump = h('button', { class: 'jump', hidden: true, onclick: () => this.follow() });
    this.position = new Position(this);
    this.element = h('div', { class: 'log-pane' }, this.view, this.position.bar.element, this.note, this.jump);
    this.view.addEventListener('scroll', () => this.scrolled());
    this.view.addEventListener('wheel', (event) => { if (event.deltaY < 0) this.freeze(); }, { passive: true });
    this.view.addEventListener('touchstart', (event) => { this.touch = event.touches[0].clientY; }, { passive: true });
    this.view.addEventListener('touchmove', (event) => { if (event.touches[0].clientY > this.touch + 8) this.freeze(); }, { passive: true });
    this.view.addEventListener('keydown', (event) => this.key(event));
    this.hold = new Hold(this.rows, () => { if (this.stale) this.moved(); });
    this.ends = [head.watch(() => this.moved()), theme.watch(() => this.repaint()), folds.watch(() => this.repaint()), this.unfinished.end];
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.view);
  }

  close() {
    for (const end of this.ends) end();
    this.hold.end();
    this.observer.disconnect();
    this.position.end();
    this.abort.abort();
  }

  /** Load again at the same place, for other processes or another filter. */
  reset() {
    const anchor = this.follows.value ? null : this.place.kept;
    if (!anchor) {
      this.follow();
      return;
    }
    this.place.anchor = anchor;
    this.go(async (signal) => {
      await this.load(anchor.cursor, signal);
      this.place.put(anchor);
    });
  }

  // Following

  follow() {
    this.abort.abort();
    this.abort = new AbortController();
    this.busy = false;
    this.isReset = true;
    this.place.anchor = null;
    this.follows.set(true);
    this.jump.hidden = true;
    this.fetchEnd();
  }

  freeze() {
    // Until there are lines, there is no place to stay at.
    if (!this.follows.value || !this.lines.length) return;
    this.follows.set(false);
    this.loaded.moreDown = true;
    this.unfinished.update(false);
    this.jump.hidden = false;
    setText(this.jump, '↓ Follow');
  }

  moved() {
    if (!this.follows.value) return;
    if (this.hold.isSelecting) this.stale = true;
    else this.fetchEnd();
  }

  /** Wait until the next request may be made. @param {AbortSignal} signal */
  async turn(signal) {
    const pause = this.next - performance.now();
    if (pause > 0) await new Promise((done) => { setTimeout(done, pause); });
    signal.throwIfAborted();
    this.next = performance.now() + PAUSE;
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
      await this.turn(signal);
      let isWhole = this.isReset || this.flood || this.loaded.bottom === null || this.lines.at(-1)?.unfinished === true;
      const isFirst = isWhole;
      if (!isWhole) {
        const page = await this.source.after(this.loaded.bottom, signal);
        if (page.more || page.reset) isWhole = true;
        else if (this.follows.value) this.take(() => this.append(page));
      }
      const limit = this.flood && !this.isReset ? Math.max(SCREENFUL, Math.ceil(this.view.clientHeight / 15)) : PAGE;
      this.flood = false;
      if (isWhole) {
        if (!isFirst) await this.turn(signal);
        const page = await this.source.before('end', signal, limit);
        if (this.follows.value) {
          const last = this.lines.at(-1)?.cursor;
          this.flood = !this.isReset && last !== undefined && page.lines.every((/** @type {any} */ line) => line.cursor !== last);
          this.isReset = false;
          this.take(() => this.set(page.lines, page.more, false, page.at));
        }
      }
      this.problem(null);
    } catch (error) {
      if (signal.aborted) return;
      this.problem(/** @type {Error} */ (error).message);
    }
    this.busy = false;
    if (this.hold.isSelecting) return;
    if (this.follows.value) this.toEnd();
    // The reader scrolled up meanwhile, perhaps to the top, where no further event would load more.
    else this.fill();
    if (this.stale && this.follows.value) this.fetchEnd();
  }

  /** Change the rows; if text is being selected, do it later. @param {() => void} work */
  take(work) {
    if (this.hold.isSelecting) this.stale = true;
    else work();
  }

  /** Keep the end at the bottom, and the selected line in view. */
  resized() {
    const height = this.view.clientHeight;
    const lost = (this.height ?? height) - height;
    this.height = height;
    if (this.follows.value) this.toEnd();
    // Other widths have other rows.
    const width = this.view.clientWidth;
    const isTurned = this.width !== undefined && this.width !== width;
    this.width = width;
    if (isTurned && !this.follows.value && this.seen) this.place.put(this.seen);
    const { bottom } = this.view.getBoundingClientRect();
    const row = lost > 0 && this.rows.querySelector('.here');
    const below = row ? row.getBoundingClientRect().bottom - bottom : 0;
    if (below <= 0 || below > lost) return;
    this.view.scrollTop += below;
    this.place.arrive();
  }

  toEnd() {
    this.view.scrollTop = this.view.scrollHeight;
  }

  // The window

  get lines() {
    return this.loaded.lines;
  }

  /** Show exactly these lines. @param {any[]} lines @param {boolean} up @param {boolean} down @param {string} [top] */
  set(lines, up, down, top) {
    this.loaded.set(lines, up, down, top);
    this.changed();
  }

  /** Create the rows again, in the colours of the theme or in short. */
  repaint() {
    const at = this.follows.value ? null : this.place.now();
    this.loaded.repaint();
    this.changed();
    if (this.follows.value) this.toEnd();
    else if (at) this.place.put(at);
  }

  /** @param {import('./loaded.js').Page} page */
  append(page) {
    const removed = this.loaded.append(page);
    if (!this.follows.value) this.place.moveWith(() => -removed);
    this.changed();
  }

  /** @param {import('./loaded.js').Page} page */
  prepend(page) {
    this.place.moveWith(() => this.loaded.prepend(page));
    this.changed();
  }

  changed() {
    this.loaded.markBlocks();
    this.unfinished.update(true);
    this.onlines();
    this.position.measure();
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.view;
    const below = scrollHeight - clientHeight - scrollTop;
    if (this.follows.value && below > 40 && !this.busy) this.freeze();
    const isWish = !this.place.isPlaced();
    if (isWish) this.place.leave();
    if (!this.follows.value && below < 2 && !this.loaded.moreDown && isWish) this.follow();
    this.fill();
    this.position.measure();
    // Until the rows of another width are put in their place, this is still where the reader was.
    if (this.view.clientWidth === this.width) this.seen = this.follows.value ? null : this.place.now();
    this.onscroll();
  }

  /** Fetch more where the window ends. */
  async fill() {
    if (this.busy || this.follows.value && this.view.scrollTop > EDGE) return;
    const { scrollTop, scrollHeight, clientHeight } = this.view;
    const up = scrollTop < EDGE && this.loaded.moreUp && this.loaded.top;
    const down = !this.follows.value && scrollHeight - clientHeight - scrollTop < EDGE && this.loaded.moreDown;
    if (!up && !down) return;
    this.busy = true;
    const { signal } = this.abort;
    try {
      if (up) this.prepend(await this.source.before(/** @type {string} */ (this.loaded.top), signal));
      else {
        const page = await this.source.after(this.loaded.bottom, signal);
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
    if (signal.aborted) return;
    this.busy = false;
    this.fill();
  }

  /** Show the line with this cursor, and the lines around it. @param {string} cursor */
  show(cursor) {
    this.place.anchor = null;
    return this.go(async (signal) => {
      await this.load(cursor, signal);
      if (this.reveal(cursor)) return;
      this.place.put({ cursor, time: '', y: this.view.clientHeight / 2 });
      const hidden = this.source.names.length || this.source.filter || this.source.floor;
      this.problem(hidden ? 'That line is hidden by the choice of processes or the filter.' : 'That line is no longer in the log.');
    });
  }

  /** Show the lines from this one on. @param {string} cursor */
  showFrom(cursor) {
    const anchor = { cursor, time: '', y: 0 };
    this.place.anchor = anchor;
    return this.go(async (signal) => {
      await this.load(cursor, signal);
      this.place.put(anchor);
    });
  }

  /** @param {string} cursor */
  reveal(cursor) {
    const found = this.rows.querySelector(`[data-cursor="${CSS.escape(cursor)}"]`);
    if (!found) return false;
    this.onreveal(cursor);
    found.scrollIntoView({ block: 'center' });
    this.place.arrive();
    return true;
  }

  /** Load the lines around this one. @param {string} cursor @param {AbortSignal} signal */
  async load(cursor, signal) {
    const above = await this.source.before(cursor, signal, PAGE / 2);
    const below = await this.source.after(above.lines.at(-1)?.cursor ?? null, signal);
    this.set([...above.lines, ...below.lines], above.more, below.more, above.at);
  }

  first() {
    this.place.anchor = null;
    return this.go(async (signal) => {
      const page = await this.source.after(null, signal);
      this.set(page.lines, false, page.more);
      this.view.scrollTop = 0;
    });
  }

  /** The cursor of the first visible line. */
  firstVisible() {
    const top = this.view.getBoundingClientRect().top;
    return this.lines[this.loaded.at(top + 1)]?.cursor ?? null;
  }

  /** The cursor of the last visible line. */
  lastVisible() {
    return this.lines[this.loaded.at(this.view.getBoundingClientRect().bottom - 1)]?.cursor ?? null;
  }

  /** Note the place of the page in the whole log. @param {number} below how many bytes follow the page */
  located(below) {
    this.below = below;
    this.onlines();
  }

  /** Show how far away the end is. @param {string} lines the number of lines, once it is known */
  showBehind(lines) {
    if (this.follows.value) return;
    const far = lines ? `${lines} behind` : this.below ? `${bytes(this.below)} below` : '';
    setText(this.jump, far ? `↓ Follow (${far})` : '↓ Follow');
  }

  /** @param {string | null} text */
  problem(text) {
    this.note.hidden = !text;
    setText(this.note, text ?? '');
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    // With Shift, the arrows select.
    if (event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key !== ' ')) return;
    const page = this.view.clientHeight - 40;
    const by = { PageUp: -page, PageDown: page, ArrowUp: -40, ArrowDown: 40, k: -40, j: 40, ' ': event.shiftKey ? -page : page }[event.key];
    if (event.key === 'Home') this.first();
    else if (event.key === 'End') this.follow();
    else if (by) {
      if (by < 0) this.freeze();
      this.view.scrollBy({ top: by });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
