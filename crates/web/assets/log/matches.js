// Counts the lines of the whole log that match a pattern, newest first, a few MiB per request.

import { get, query } from '../lib/api.js';

/** Counting stops at this many matches. */
export const MOST = 10_000;
const PAGE = 1000;

/** @typedef {{ cursor: string, time: number, name: string, text: string }} Hit */

export class Matches {
  /** @param {string} run @param {(line: any) => boolean} isCounted @param {() => void} onchange */
  constructor(run, isCounted, onchange) {
    this.run = run;
    this.isCounted = isCounted;
    this.onchange = onchange;
    /** The newest first. @type {Hit[]} */ this.hits = [];
    this.isDone = true;
    this.isGoingOn = false;
    /** The error of the last request. */
    this.problem = '';
    this.abort = new AbortController();
  }

  /** Whether counting stopped at the limit. */
  get isCut() {
    return this.hits.length >= MOST;
  }

  /** `318`, or `≥ 10,000`; followed by `…` while counting. */
  get words() {
    const count = this.hits.length.toLocaleString('en');
    return this.isCut ? `≥ ${count}` : this.isDone ? count : `${count} …`;
  }

  stop() {
    this.abort.abort();
    this.hits = [];
    this.isDone = true;
    this.isGoingOn = false;
    this.problem = '';
    /** @type {object | null} */ this.ask = null;
    /** @type {string | null} */ this.newest = null;
  }

  /** Start a new count. @param {{ grep: string, 'ignore-case': boolean, name: string[], after?: string | null }} ask */
  async count(ask) {
    this.stop();
    this.ask = ask;
    this.isDone = false;
    this.abort = new AbortController();
    const { signal } = this.abort;
    let before = 'end';
    while (!this.isCut) {
      const page = await this.page({ ...ask, before }, signal);
      if (!page) return;
      this.newest ??= page.next ?? page.previous;
      this.hits.push(...page.lines.toReversed().filter(this.isCounted).map(hit));
      const isEnd = !page.more || !page.previous || page.previous === before;
      before = page.previous;
      if (isEnd) break;
      this.onchange();
    }
    this.hits.length = Math.min(MOST, this.hits.length);
    this.isDone = true;
    this.onchange();
  }

  /** Count the output since then. */
  async goOn() {
    if (this.isGoingOn || !this.isDone || !this.ask || !this.newest || this.isCut) return;
    const { signal } = this.abort;
    const before = this.hits.length;
    this.isGoingOn = true;
    for (let isMore = true; isMore && !this.isCut;) {
      const page = await this.page({ ...this.ask, after: this.newest }, signal);
      if (!page) break;
      this.hits.unshift(...page.lines.filter(this.isCounted).map(hit).reverse());
      this.newest = page.next ?? this.newest;
      isMore = page.more;
    }
    this.isGoingOn = false;
    if (this.hits.length !== before && !signal.aborted) this.onchange();
  }

  /** @param {object} values @param {AbortSignal} signal @returns {Promise<any>} */
  async page(values, signal) {
    try {
      return await get(`/r/${this.run}/api/lines${query({ step: true, limit: PAGE, ...values })}`, signal);
    } catch (error) {
      if (signal.aborted) return null;
      this.problem = /** @type {Error} */ (error).message;
      this.isDone = true;
      this.onchange();
      return null;
    }
  }

  /** The number of the match at this cursor, counted from the newest; 0 for none. @param {string | undefined} cursor */
  indexOf(cursor) {
    return cursor ? this.hits.findIndex((one) => one.cursor === cursor) + 1 : 0;
  }
}

/** @param {any} line @returns {Hit} */
const hit = (line) => ({ cursor: line.cursor, time: Date.parse(line.time), name: line.name, text: line.text });
