// Searches the logs of all runs, newest lines first, a few MiB per request and each run in turn.

import { get, query } from '../lib/api.js';
import { escaped } from '../lib/pattern.js';
import { isShown } from '../log/rows.js';

/** The search pauses after this many matches. */
export const MOST = 500;
/** The most matches that one request returns. */
const PAGE = 50;
/** How many requests are under way at once. */
const AT_ONCE = 2;

/** @typedef {{ text: string, isCased: boolean, isRegex: boolean }} Wish */
/** @typedef {{ run: any, line: any, time: number }} Hit */

/** The search of one run. */
class Walk {
  /** @param {any} run */
  constructor(run) {
    this.run = run;
    this.at = 'end';
    this.isDone = false;
  }

  /** @param {object} pattern @param {AbortSignal} signal @returns {Promise<Hit[]>} */
  async step(pattern, signal) {
    const asked = { ...pattern, before: this.at, step: true, limit: PAGE };
    const page = await get(`/r/${this.run.id}/api/lines${query(asked)}`, signal);
    this.isDone = !page.more || !page.previous || page.previous === this.at;
    this.at = page.previous ?? this.at;
    const lines = page.lines.filter(isShown).reverse();
    return lines.map((/** @type {any} */ line) => ({ run: this.run, line, time: Date.parse(line.time) }));
  }
}

export class Everything {
  /** @param {Wish} wish @param {any[]} runs the runs to search, the most important first */
  constructor(wish, runs) {
    this.wish = wish;
    this.pattern = { grep: wish.isRegex ? wish.text : escaped(wish.text), 'ignore-case': !wish.isCased };
    this.walks = runs.map((run) => new Walk(run));
    /** The newest first. @type {Hit[]} */ this.hits = [];
    this.most = MOST;
    /** The error of a run that can't be searched. */
    this.problem = '';
    /** @type {AbortController | null} */ this.abort = null;
    this.onchange = () => {};
  }

  get isRunning() {
    return this.abort !== null;
  }

  /** How many runs have been searched to their beginning. */
  get done() {
    return this.walks.filter((walk) => walk.isDone).length;
  }

  get isDone() {
    return this.done === this.walks.length;
  }

  /** Search until there are enough matches. */
  async start() {
    if (this.abort) return;
    const abort = new AbortController();
    this.abort = abort;
    const waiting = this.walks.filter((walk) => !walk.isDone);
    const work = async () => {
      for (let walk = waiting.shift(); walk && this.hits.length < this.most; walk = waiting.shift()) {
        await this.step(walk, abort.signal);
        if (abort.signal.aborted) return;
        if (!walk.isDone) waiting.push(walk);
        this.onchange();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (this.abort === abort) this.abort = null;
    this.onchange();
  }

  /** @param {Walk} walk @param {AbortSignal} signal */
  async step(walk, signal) {
    try {
      for (const hit of await walk.step(this.pattern, signal)) this.add(hit);
    } catch (error) {
      if (signal.aborted) return;
      walk.isDone = true;
      this.problem = `${walk.run.title}: ${/** @type {Error} */ (error).message}`;
    }
  }

  /** @param {Hit} hit */
  add(hit) {
    const at = this.hits.findLastIndex((other) => other.time >= hit.time);
    this.hits.splice(at + 1, 0, hit);
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
    this.onchange();
  }

  more() {
    this.most = this.hits.length + MOST;
    this.start();
  }
}
