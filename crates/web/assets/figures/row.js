// A process on the page of figures. Its charts are created when the row first becomes visible.

import { h, setAttribute, setText } from '../lib/dom.js';
import { address } from '../lib/router.js';
import { signOf } from '../lib/states.js';
import { labelOf, run } from '../lib/store.js';
import { clock, hostTime, ms, span } from '../lib/time.js';
import { css } from '../log/colors.js';
import { CHARTS, Chart } from './chart.js';

export class Row {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.isInView = false;
    /** @type {Chart[]} */ this.charts = [];
    this.link = h('a', { href: address({ run: run.id, view: 'process', values: { name } }), title: name });
    this.sign = h('span', { class: 'sign', 'aria-hidden': 'true' });
    this.facts = h('span', { class: 'dim' });
    this.element = h('li', { class: 'used', dataset: { name } },
      h('div', { class: 'used-name' }, h('p', {}, this.sign, this.link), this.facts));
  }

  /** @param {import('../lib/ring.js').Ring} ring @param {number} at the sample whose amounts are written */
  draw(ring, at) {
    const process = this.isInView ? run.processes.get(this.name) : undefined;
    if (!process) return;
    if (!this.charts.length) {
      this.charts = CHARTS.map((chart) => new Chart(chart));
      this.element.append(...this.charts.map((chart) => chart.element));
    }
    const [mark, kind] = signOf(process);
    setText(this.sign, mark);
    setText(this.link, labelOf(this.name));
    setAttribute(this.sign, 'class', `sign kind-${kind}`);
    this.link.style.color = css(process.color);
    setText(this.facts, facts(process));
    const used = ring.processes.get(this.name);
    for (const chart of this.charts) chart.show(used?.[chart.kind] ?? [], ring, at);
  }
}

/** @param {any} process */
function facts(process) {
  const restarts = Math.max(0, (process.lives ?? 0) - 1);
  const words = restarts ? `${restarts} ${restarts === 1 ? 'restart' : 'restarts'}` : 'no restart';
  if (!process.pid) return `${process.state} · ${words}`;
  const since = ms(process.since);
  return `since ${clock(new Date(since))} (${span(hostTime() - since)}) · ${words}`;
}
