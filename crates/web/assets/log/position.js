// Keeps the scroll bar at the place of the page in the whole log, in bytes of output.

import { atNextFrame } from '../lib/dom.js';
import { head, run } from '../lib/store.js';
import { everySecond } from '../lib/visible.js';
import { ScrollBar } from './scrollbar.js';

/** The time between two requests, in milliseconds. A log that follows is at the end anyway. */
const PAUSE = { follows: 1000, stopped: 200 };

export class Position {
  /** @param {import('./pane.js').Pane} pane */
  constructor(pane) {
    this.pane = pane;
    this.bar = new ScrollBar((share) => this.dragTo(share), (event) => pane.key(event));
    /** Where the bar was dragged to. @type {number | null} */ this.drag = null;
    /** @type {{ before: number, all: number } | null} */ this.extent = null;
    this.known = '';
    this.measure = atNextFrame(() => this.locate());
    this.end = everySecond(() => this.locate());
  }

  /** @param {number} share */
  dragTo(share) {
    if (share >= 0.999) return this.pane.follow();
    const waits = this.drag !== null;
    this.drag = share;
    if (!waits) this.dragOn();
    return undefined;
  }

  async dragOn() {
    const { pane } = this;
    await pane.go(async (signal) => {
      let done = null;
      while (this.drag !== null && this.drag !== done) {
        done = this.drag;
        const { all } = await pane.source.extent(null, signal);
        const page = await pane.source.after(null, signal, { at: Math.floor(all * done) });
        pane.set(page.lines, true, page.more);
        pane.view.scrollTop = 1;
      }
    });
    this.drag = null;
  }

  /** Request the place of the page, unless nothing has changed. */
  async locate() {
    const { pane } = this;
    if (this.isBusy || document.hidden || !run.id) return;
    const follows = pane.follows.value;
    const at = follows ? null : pane.firstVisible();
    if (!at && !follows && !pane.lines.length) return;
    const key = JSON.stringify([head.value, follows, at, pane.source.names]);
    if (key === this.known) return;
    this.isBusy = true;
    try {
      const { before, all } = await pane.source.extent(at, pane.abort.signal);
      this.known = key;
      this.extent = { before, all };
      if (this.drag === null) this.bar.show(follows ? 1 : all ? before / all : 0);
      pane.located(all - before);
    } catch {
      // The next request may succeed.
    } finally {
      setTimeout(() => { this.isBusy = false; }, follows ? PAUSE.follows : PAUSE.stopped);
    }
  }
}
