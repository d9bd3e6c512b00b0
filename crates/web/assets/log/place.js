// Keeps a line at its place on the screen when others are shown above or below it.

import { compare } from './source.js';

/** @typedef {{ cursor: string, time: string, y: number }} Anchor a line, and how far it is below the top of the view */

export class Place {
  /** @param {HTMLElement} view what scrolls @param {import('./loaded.js').Loaded} loaded the lines in it */
  constructor(view, loaded) {
    this.view = view;
    this.loaded = loaded;
    /** Where a line that was looked for has been put: being at the end there is not a wish to follow. */
    this.placed = -1;
    /** What stays at its place when other lines are shown, until the reader goes elsewhere. @type {Anchor | null} */
    this.anchor = null;
    /** The cursor of the line that is selected. @type {() => string | null} */
    this.chosen = () => null;
  }

  /** What is to stay at its place: the same as before, or what is there now. @returns {Anchor | null} */
  get kept() {
    return this.anchor ?? this.now();
  }

  /** The reader has gone elsewhere. */
  leave() {
    this.placed = -1;
    this.anchor = null;
  }

  /** A line that was looked for is where it is to be. */
  arrive() {
    this.placed = this.view.scrollTop;
  }

  /** Whether the view is still where a line was put. */
  isPlaced() {
    return Math.abs(this.view.scrollTop - this.placed) <= 1;
  }

  /** The line that is selected, if it can be seen, otherwise the first one on the screen. @returns {Anchor | null} */
  now() {
    const { lines, rows } = this.loaded;
    const { top, bottom } = this.view.getBoundingClientRect();
    const chosen = this.chosen();
    const place = (/** @type {number} */ at) => rows.children[at].getBoundingClientRect();
    let at = chosen ? lines.findIndex((line) => line.cursor === chosen) : -1;
    if (at < 0 || place(at).bottom <= top || place(at).top >= bottom) at = this.loaded.at(top + 1);
    const line = lines[at];
    return line ? { cursor: line.cursor, time: line.time, y: place(at).top - top } : null;
  }

  /** Put a line, or the nearest one that is shown, at its place. @param {Anchor} anchor */
  put(anchor) {
    const row = this.loaded.rows.children[this.nearest(anchor)];
    if (row) this.view.scrollTop += row.getBoundingClientRect().top - this.view.getBoundingClientRect().top - anchor.y;
    this.arrive();
    this.anchor = anchor;
  }

  /** Which of the lines is the nearest one in time. @param {Anchor} anchor */
  nearest({ cursor, time }) {
    const { lines } = this.loaded;
    const at = lines.findIndex((line) => compare(line.cursor, cursor) >= 0);
    if (at <= 0) return at < 0 ? lines.length - 1 : at;
    const distance = (/** @type {any} */ line) => Math.abs(Date.parse(line.time) - Date.parse(time));
    const isOlder = lines[at].cursor !== cursor && distance(lines[at - 1]) < distance(lines[at]);
    return isOlder ? at - 1 : at;
  }

  /** Change the rows, and scroll by the number of pixels that the change returns. @param {() => number} work */
  moveWith(work) {
    const isPlaced = this.isPlaced();
    const { scrollTop } = this.view;
    this.view.scrollTop = scrollTop + work();
    if (isPlaced) this.arrive();
  }
}
