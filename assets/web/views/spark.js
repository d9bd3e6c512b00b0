// A line of figures as one path.

import { setAttribute, svg } from '../lib/dom.js';

const WIDTH = 60;
const HEIGHT = 16;

export class Spark {
  constructor() {
    this.path = svg('path', { d: '' });
    this.element = svg('svg', {
      class: 'spark', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, 'aria-hidden': 'true', preserveAspectRatio: 'none',
    }, this.path);
  }

  /** Draw the newest values at the right. @param {number[]} values @param {number} least what the full height stands for at least */
  show(values, least) {
    const most = Math.max(least, ...values);
    let path = '';
    for (let at = 0; at < values.length; at += 1) {
      const y = HEIGHT - 1 - ((HEIGHT - 2) * values[at]) / most;
      path += `${at ? 'L' : 'M'}${WIDTH - values.length + at},${y.toFixed(1)}`;
    }
    setAttribute(this.path, 'd', path);
  }
}
