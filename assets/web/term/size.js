// The size of a terminal on the page: that of its place, or one that it has elsewhere.

import { FitAddon } from '../vendor/addon-fit/addon-fit.mjs';
import { FONT_SIZE } from './emulator.js';

/** The smallest text, in pixels, and the steps between sizes. */
const SMALLEST = 4;
const STEP = 0.5;
/** The room around a terminal with a size of its own, in pixels. */
const EDGE = 3;

export class TerminalSize {
  /** @param {any} terminal @param {HTMLElement} place */
  constructor(terminal, place) {
    this.terminal = terminal;
    this.place = place;
    this.fit = new FitAddon();
    terminal.loadAddon(this.fit);
    /** Columns and rows, if they are not those of the place. @type {[number, number] | null} */
    this.fixed = null;
    /** All of it is seen; otherwise the place scrolls. */
    this.isWhole = true;
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

  /** Take the size of the place again. */
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

  apply() {
    this.place.classList.toggle('fixed', !!this.fixed);
    this.place.classList.toggle('pans', !!this.fixed && !this.isWhole);
    if (!this.fixed) return this.fit.fit();
    this.terminal.options.fontSize = FONT_SIZE;
    if (!this.isWhole) return undefined;
    const shown = /** @type {HTMLElement | null} */ (this.place.querySelector('.xterm-screen'));
    if (!shown) return undefined;
    const share = () => Math.min((this.place.clientWidth - 2 * EDGE) / shown.offsetWidth, (this.place.clientHeight - 2 * EDGE) / shown.offsetHeight);
    let size = FONT_SIZE;
    // Cells have whole pixels, so the first guess may be too large.
    while (size > SMALLEST && share() < 1) {
      size = Math.max(SMALLEST, Math.min(size - STEP, Math.floor((size * share()) / STEP) * STEP));
      this.terminal.options.fontSize = size;
    }
    return undefined;
  }
}
