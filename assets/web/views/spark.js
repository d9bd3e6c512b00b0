// A line of figures as one path.

import { setAttribute, svg } from '../lib/dom.js';

const HEIGHT = 16;

export class Spark {
  /** @param {number} [count] how many values it shows */
  constructor(count = 60) {
    this.count = count;
    this.path = svg('path', { d: '' });
    this.element = svg('svg', {
      class: 'spark', viewBox: `0 0 ${count} ${HEIGHT}`, 'aria-hidden': 'true', preserveAspectRatio: 'none',
    }, this.path);
  }

  /** Draw the newest values at the right. @param {number[]} values @param {number} least what the full height stands for at least */
  show(values, least) {
    const shown = values.slice(-this.count);
    const most = Math.max(least, ...shown);
    let path = '';
    for (let at = 0; at < shown.length; at += 1) {
      const y = HEIGHT - 1 - ((HEIGHT - 2) * shown[at]) / most;
      path += `${at ? 'L' : 'M'}${this.count - shown.length + at},${y.toFixed(1)}`;
    }
    setAttribute(this.path, 'd', path);
  }
}
