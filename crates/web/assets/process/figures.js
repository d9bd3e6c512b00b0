// The resource use of a process in the last minutes, sampled while a page is open.

import { h, setText } from '../lib/dom.js';
import { address } from '../lib/router.js';
import { hasFigures, run } from '../lib/store.js';
import { bytes } from '../lib/time.js';
import { Spark, largest } from '../views/spark.js';

/** How many seconds are shown. */
const SECONDS = 150;

export class Figures {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    const chart = (/** @type {string} */ text) => ({ text, amount: h('span', { class: 'amount' }), most: h('span', { class: 'dim' }), spark: new Spark(SECONDS) });
    this.cpu = chart('CPU');
    this.memory = chart('Memory');
    this.output = chart('Output');
    this.details = h('p', { class: 'dim' });
    this.element = h('section', { class: 'panel figures' },
      h('header', {}, h('h2', { text: 'Last 2½ minutes' }), h('a', { href: address({ run: run.id, view: 'figures', values: {} }), text: 'All processes' })),
      ...[this.cpu, this.memory, this.output].map((one) =>
        h('div', { class: 'chart' }, h('p', {}, h('span', { text: one.text }), one.amount, one.most), one.spark.element)),
      this.details);
  }

  /** @param {any} process */
  draw(process) {
    const figures = run.figures.get(this.name);
    this.element.hidden = !figures || !hasFigures();
    if (!figures?.now) return;
    const { now } = figures;
    const isRunning = !!process.pid;
    const show = (/** @type {any} */ chart, /** @type {(number | null)[]} */ values, /** @type {number} */ least, /** @type {(value: number) => string} */ text) => {
      chart.spark.show(values, least);
      const last = values.at(-1) ?? null;
      setText(chart.amount, isRunning && last !== null ? text(last) : '–');
      setText(chart.most, `most ${text(largest(values, SECONDS, 0))}`);
    };
    show(this.cpu, figures.cpu, 10, (value) => `${Math.round(value)} %`);
    show(this.memory, figures.memory, 1, bytes);
    show(this.output, figures.output, 100, (value) => `${bytes(value)}/s`);
    const count = (/** @type {number | null} */ number, /** @type {string} */ one, /** @type {string} */ many) => number === null ? '' : `${number} ${number === 1 ? one : many}`;
    setText(this.details, isRunning ? [
      count(now.processes, 'process', 'processes'), count(now.threads, 'thread', 'threads'), count(now.files, 'open file', 'open files'),
      `${now.cpu_seconds.toFixed(1)} s of CPU time in this life`,
    ].filter(Boolean).join(' · ') : '');
  }
}
