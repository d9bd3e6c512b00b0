// Marks the matches of a search beside the scroll bar. The place of a mark follows from the time of its line.

import { get, query } from '../lib/api.js';
import { setAttribute, svg } from '../lib/dom.js';

const HEIGHT = 1000;
const PARTS = 1000;

/** @typedef {{ from: number, step: number, sums: number[] }} Scale the bytes printed up to the end of each part of the time */

export class Ticks {
  constructor() {
    this.path = svg('path', { d: '' });
    this.element = svg('svg', { class: 'ticks', viewBox: `0 0 10 ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, this.path);
    /** @type {Scale | null} */ this.scale = null;
  }

  /** Fetch the amount of output over time. @param {string} run @param {string[]} names */
  async measure(run, names) {
    const output = await get(`/r/${run}/api/output${query({ parts: PARTS, name: names })}`);
    const [from, until] = [Date.parse(output.since), Date.parse(output.until)];
    const sums = new Array(PARTS).fill(0);
    for (const { bytes } of output.processes) bytes.forEach((/** @type {number} */ count, /** @type {number} */ at) => { sums[at] += count; });
    for (let at = 1; at < PARTS; at += 1) sums[at] += sums[at - 1];
    this.scale = { from, step: (until - from) / PARTS, sums };
  }

  /** @param {number[]} times */
  show(times) {
    const { scale } = this;
    const places = new Set(scale ? times.map((time) => Math.round(place(scale, time) * HEIGHT)) : []);
    setAttribute(this.path, 'd', [...places].map((y) => `M0,${y}h10`).join(''));
  }
}

/** The share of the output that was printed before a time. @param {Scale} scale @param {number} time */
function place({ from, step, sums }, time) {
  const at = (time - from) / step;
  const part = Math.min(sums.length - 1, Math.max(0, Math.floor(at)));
  const before = part ? sums[part - 1] : 0;
  const share = Math.min(1, Math.max(0, at - part));
  return (before + (sums[part] - before) * share) / (sums[sums.length - 1] || 1);
}
