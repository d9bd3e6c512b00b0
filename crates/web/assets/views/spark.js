// A sparkline as one path.

import { setAttribute, svg } from '../lib/dom.js';

const HEIGHT = 16;

/**
 * The path of values, newest at the right, with gaps for null.
 * @param {(number | null)[]} values @param {{ count: number, height: number, most: number }} size the number of values shown, and the value at full height
 */
export function curve(values, { count, height, most }) {
  const begin = Math.max(0, values.length - count);
  const offset = count - values.length;
  let path = '';
  let isDown = false;
  for (let at = begin; at < values.length; at += 1) {
    const value = values[at];
    if (value !== null) {
      const y = (height - 1 - ((height - 2) * value) / most).toFixed(1);
      // A single value between two gaps stays visible.
      path += isDown ? `L${offset + at},${y}` : `M${offset + at - 0.5},${y}L${offset + at},${y}`;
    }
    isDown = value !== null;
  }
  return path;
}

/** The largest of the last values, but at least `least`. @param {(number | null)[]} values @param {number} count @param {number} least */
export function largest(values, count, least) {
  let most = least;
  for (let at = Math.max(0, values.length - count); at < values.length; at += 1) most = Math.max(most, values[at] ?? 0);
  return most;
}

export class Spark {
  /** @param {number} [count] how many values it shows */
  constructor(count = 60) {
    this.count = count;
    this.path = svg('path', { d: '' });
    this.element = svg('svg', {
      class: 'spark', viewBox: `0 0 ${count} ${HEIGHT}`, 'aria-hidden': 'true', preserveAspectRatio: 'none',
    }, this.path);
  }

  /** Draw the newest values at the right. @param {(number | null)[]} values @param {number} least the least value at full height */
  show(values, least) {
    const { count } = this;
    setAttribute(this.path, 'd', curve(values, { count, height: HEIGHT, most: largest(values, count, least) }));
  }
}
