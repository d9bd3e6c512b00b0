// The lane of one process: its name, output, marks, and the times when it ran.

import { h, setAttribute, setText, svg } from '../lib/dom.js';
import { go } from '../lib/router.js';
import { labelOf, run } from '../lib/store.js';
import { hostTime } from '../lib/time.js';
import { css } from '../log/colors.js';
import { spansOf } from './marks.js';
import { HEIGHT, KINDS, bars, lines, ring, signs } from './shapes.js';

/** @typedef {import('./marks.js').Mark} Mark */

export class Lane {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    /** @type {number[]} */ this.bytes = [];
    /** @type {Mark[]} */ this.marks = [];
    this.color = '';
    this.label = h('span', { class: 'lane-name', title: name, onclick: () => go({ view: 'process', values: { name } }) });
    /** @type {Record<string, SVGElement>} */
    this.paths = Object.fromEntries(['bars', 'ran', ...KINDS, 'prompt'].map((kind) => [kind, svg('path', { class: `lane-${kind}`, d: '' })]));
    this.svg = svg('svg', { class: 'lane-drawing', height: HEIGHT, 'aria-hidden': 'true' }, ...Object.values(this.paths));
    this.element = h('div', { class: 'lane' }, this.label);
    this.element.append(this.svg);
  }

  /**
   * @param {{ bounds: import('./period.js').Bounds, width: number, runs: Mark[], prompt: Mark | null, isLive: boolean }} view
   */
  draw({ bounds, width, runs, prompt, isLive }) {
    const process = run.processes.get(this.name);
    const color = css(process?.color ?? 7);
    setText(this.label, labelOf(this.name));
    if (color !== this.color) this.element.style.setProperty('--own', color);
    this.color = color;
    const { from, until } = bounds;
    const place = (/** @type {number} */ time) => ((time - from) / (until - from)) * width;
    const show = (/** @type {string} */ kind, /** @type {string} */ path) => setAttribute(this.paths[kind], 'd', path);
    show('bars', bars(this.bytes, width));
    const end = isLive ? Math.min(until, hostTime()) : until;
    show('ran', lines(spansOf(this.marks, runs, from, end, !!process?.pid), place));
    const paths = signs(this.marks, place, width);
    for (const kind of KINDS) show(kind, paths[kind]);
    // From the time of the prompt on, the process waits.
    const x = prompt ? place(prompt.time) : width;
    show('prompt', x < width ? ring(Math.min(width - 5, Math.max(5, x))) : '');
  }
}
