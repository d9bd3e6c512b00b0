// A chart of one value over time: its amount, its maximum, and one path.

import { h, setAttribute, setText, svg } from '../lib/dom.js';
import { bytes } from '../lib/time.js';
import { curve, largest } from '../views/spark.js';

const HEIGHT = 40;

/** @typedef {'cpu' | 'memory' | 'output'} Kind */

/** The charts of a process; the full height is at least the value `least`. */
export const CHARTS = /** @type {{ kind: Kind, label: string, least: number, words: (value: number) => string }[]} */ ([
  { kind: 'cpu', label: 'CPU', least: 10, words: (value) => `${value < 9.95 ? value.toFixed(1) : Math.round(value)} %` },
  { kind: 'memory', label: 'Memory', least: 1 << 20, words: bytes },
  { kind: 'output', label: 'Output', least: 100, words: (value) => `${bytes(value)}/s` },
]);

export class Chart {
  /** @param {typeof CHARTS[number]} chart */
  constructor({ kind, label, least, words }) {
    this.kind = kind;
    this.least = least;
    this.words = words;
    this.count = 0;
    /** What is drawn. */
    this.drawn = '';
    this.amount = h('span', { class: 'amount' });
    this.most = h('span', { class: 'dim most' });
    this.path = svg('path', { d: '' });
    this.drawing = svg('svg', { class: 'spark', 'aria-hidden': 'true', preserveAspectRatio: 'none' }, this.path);
    this.element = h('div', { class: 'plot', dataset: { kind } },
      h('p', {}, h('span', { class: 'dim label', text: label }), this.amount, this.most),
      h('div', { class: 'plot-area' }));
    this.element.lastElementChild?.append(this.drawing);
  }

  /**
   * Draw right-aligned values.
   * @param {(number | null)[]} values @param {import('../lib/ring.js').Ring} ring they are of @param {number} at the one whose amount is written
   */
  show(values, ring, at) {
    const count = ring.most;
    if (this.count !== count) setAttribute(this.drawing, 'viewBox', `0 0 ${count} ${HEIGHT}`);
    this.count = count;
    const drawn = `${ring.interval} ${ring.version}`;
    if (this.drawn !== drawn) {
      const most = largest(values, count, 0);
      setAttribute(this.path, 'd', curve(values, { count, height: HEIGHT, most: Math.max(most, this.least) }));
      setText(this.most, most ? `most ${this.words(most)}` : '');
    }
    this.drawn = drawn;
    const value = values[at - (count - values.length)] ?? null;
    setText(this.amount, value === null ? '–' : this.words(value));
  }
}
