// The period that the timeline shows. While it is live, its end moves on in whole columns.

/** @typedef {{ from: number, until: number, columns: number }} Bounds milliseconds since the epoch */

/** The lengths to choose from, in milliseconds; 0 is the whole run. */
export const LENGTHS = new Map([['15 min', 15 * 60_000], ['1 h', 60 * 60_000], ['Whole run', 0]]);

/** The shortest period for a run that has just begun, in milliseconds. */
const SHORTEST = 60_000;

export class Period {
  /** @param {string} choice */
  constructor(choice) {
    this.choice = LENGTHS.has(choice) ? choice : '15 min';
    /** The end of the period once it is stopped; null while it is live. @type {number | null} */
    this.stopped = null;
  }

  get length() {
    return LENGTHS.get(this.choice) ?? 0;
  }

  /** Whether the whole run is shown, by choice or because it is shorter than the chosen length. @param {number} begin @param {number} now */
  isWhole(begin, now) {
    return !this.length || now - begin < this.length;
  }

  /**
   * @param {number} begin when the run began @param {number} now @param {number} columns
   * @returns {Bounds}
   */
  bounds(begin, now, columns) {
    if (this.isWhole(begin, now)) {
      // The period grows by an eighth at a time. In between, columns keep their times.
      const length = Math.max(now - begin, SHORTEST);
      const grain = 2 ** Math.floor(Math.log2(length)) / 8;
      return { from: begin, until: begin + Math.ceil(length / grain) * grain, columns };
    }
    const step = this.length / columns;
    const until = this.stopped ?? Math.ceil(now / step) * step;
    return { from: until - this.length, until, columns };
  }

  /** Move by a share of the length. At the end, the period becomes live again. @param {number} share @param {number} begin @param {number} now */
  move(share, begin, now) {
    this.stopAt((this.stopped ?? now) + share * this.length, begin, now);
  }

  /** Put this time in the middle, unless it is visible already. @param {number} time @param {number} begin @param {number} now */
  include(time, begin, now) {
    const until = this.stopped ?? now;
    if (!this.length || (time >= until - this.length && time <= until)) return;
    this.stopAt(time + this.length / 2, begin, now);
  }

  /** @param {number} until @param {number} begin @param {number} now */
  stopAt(until, begin, now) {
    this.stopped = until >= now ? null : Math.max(until, Math.min(begin + this.length, now));
  }
}

/** The column of a time. @param {Bounds} bounds @param {number} time */
export function columnOf({ from, until, columns }, time) {
  return Math.min(columns - 1, Math.max(0, Math.floor(((time - from) / (until - from)) * columns)));
}

/** When a column begins. @param {Bounds} bounds @param {number} column */
export function timeOf({ from, until, columns }, column) {
  return from + ((until - from) * column) / columns;
}
