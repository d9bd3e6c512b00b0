// The size of a terminal on the page: that of its element, or the size that the pane already has.

import { FitAddon } from '../vendor/addon-fit/addon-fit.mjs';
import { FONT_SIZE } from './emulator.js';

/** The smallest text size, the smallest readable one, and the step between sizes, in pixels. */
const SMALLEST = 4;
const READABLE = 11;
const STEP = 0.5;
/** The margin around a terminal with its own size, in pixels. */
const EDGE = 3;

export class TerminalSize {
  /** @param {any} terminal @param {HTMLElement} place */
  constructor(terminal, place) {
    this.terminal = terminal;
    this.place = place;
    this.fit = new FitAddon();
    terminal.loadAddon(this.fit);
    /** Columns and rows, if they do not follow the place. @type {[number, number] | null} */
    this.fixed = null;
    /** Whether the terminal is scaled to fit; otherwise the place scrolls. Null: as long as it stays readable. @type {boolean | null} */
    this.isWhole = null;
    /** Whether the place scrolls. */
    this.isPanned = false;
    /** Called when `isPanned` has changed. */
    this.onpan = () => {};
    this.observer = new ResizeObserver(() => this.apply());
  }

  open() {
    this.apply();
    this.observer.observe(this.place);
  }

  close() {
    this.observer.disconnect();
  }

  /** @param {[number, number]} size */
  fix(size) {
    if (this.fixed?.[0] === size[0] && this.fixed[1] === size[1]) return;
    this.fixed = size;
    this.terminal.resize(...size);
    this.apply();
  }

  /** Use the size of the place again. */
  release() {
    if (!this.fixed) return;
    this.fixed = null;
    this.terminal.options.fontSize = FONT_SIZE;
    this.apply();
  }

  /** @param {boolean} isWhole */
  showWhole(isWhole) {
    this.isWhole = isWhole;
    this.apply();
  }

  /** @param {boolean} isPanned */
  pan(isPanned) {
    this.place.classList.toggle('pans', isPanned);
    if (isPanned === this.isPanned) return;
    this.isPanned = isPanned;
    this.onpan();
  }

  /** Scroll to the cursor. */
  reveal() {
    const shown = this.shown;
    if (!this.isPanned || !shown) return;
    const { cursorX, cursorY } = this.terminal.buffer.active;
    const [width, height] = [shown.offsetWidth / this.terminal.cols, shown.offsetHeight / this.terminal.rows];
    const { clientWidth, clientHeight } = this.place;
    const [x, y] = [cursorX * width, cursorY * height];
    const { scrollLeft, scrollTop } = this.place;
    // Stay at the left edge, where lines begin, as long as the cursor is visible there.
    if (x < scrollLeft || x + 2 * width > scrollLeft + clientWidth) this.place.scrollLeft = x + 2 * width > clientWidth ? x - clientWidth / 2 : 0;
    if (y < scrollTop || y + 2 * height > scrollTop + clientHeight) this.place.scrollTop = y - clientHeight + 3 * height;
  }

  get shown() {
    return /** @type {HTMLElement | null} */ (this.place.querySelector('.xterm-screen'));
  }

  apply() {
    this.place.classList.toggle('fixed', !!this.fixed);
    this.pan(!!this.fixed && this.isWhole === false);
    if (!this.fixed) return this.fit.fit();
    this.terminal.options.fontSize = FONT_SIZE;
    const shown = this.shown;
    if (this.isPanned || !shown) return this.reveal();
    const least = this.isWhole ? SMALLEST : READABLE;
    const share = () => Math.min((this.place.clientWidth - 2 * EDGE) / shown.offsetWidth, (this.place.clientHeight - 2 * EDGE) / shown.offsetHeight);
    let size = FONT_SIZE;
    // The size of a cell is rounded to whole pixels, so the first guess may be too large.
    while (size > least && share() < 1) {
      size = Math.max(least, Math.min(size - STEP, Math.floor((size * share()) / STEP) * STEP));
      this.terminal.options.fontSize = size;
    }
    this.pan(!this.isWhole && share() < 1);
    return this.reveal();
  }
}
