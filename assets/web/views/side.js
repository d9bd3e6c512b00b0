// Runs and processes, at the left.

import { h, setAttribute, setText } from '../lib/dom.js';
import { address, go, place } from '../lib/router.js';
import { changes, run, runs } from '../lib/store.js';
import { signOf } from '../lib/states.js';
import { css } from '../log/colors.js';

/** The names that the address shows in the log; none means all. */
export function shownNames() {
  return (place.value.values.names ?? '').split(',').filter((name) => run.processes.has(name));
}

/** @param {string[]} names */
export function show(names) {
  const all = names.length === 0 || names.length === run.processes.size;
  go({ view: 'log', values: { ...place.value.values, at: '', names: all ? '' : names.join(',') } });
}

export class Side {
  constructor() {
    this.runs = h('ul', { class: 'runs' });
    this.list = h('ul', { class: 'names' });
    this.element = h('nav', { class: 'side', 'aria-label': 'Runs and processes' },
      h('h2', { text: 'Runs' }), this.runs, h('h2', { text: 'Processes' }), this.list);
    /** @type {Map<string, any>} */
    this.rows = new Map();
    runs.watch(() => this.drawRuns());
    place.watch(() => { this.drawRuns(); this.drawNames(); });
    changes.watch(() => this.drawNames());
  }

  drawRuns() {
    this.runs.replaceChildren(...runs.value.map((one) => h('li', {},
      h('a', {
        href: address({ run: one.id, view: 'overview', values: {} }), title: one.root ?? '',
        class: one.state === 'over' ? 'over' : '', 'aria-current': one.id === place.value.run ? 'true' : null,
      }, one.title, one.state === 'running' ? null : h('span', { class: 'dim', text: ` ${one.state}` })))));
  }

  /** @param {string} name */
  make(name) {
    const tick = /** @type {HTMLInputElement} */ (h('input', {
      type: 'checkbox', 'aria-label': `Show ${name} in the log`,
      onchange: () => {
        const names = shownNames();
        const all = names.length ? names : [...run.processes.keys()];
        show(tick.checked ? [...names, name] : all.filter((one) => one !== name));
      },
    }));
    const sign = h('span', { class: 'sign', 'aria-hidden': 'true' });
    const only = h('button', { class: 'quiet name-only', title: `Only ${name}`, onclick: () => show([name]) }, name);
    const element = h('li', {}, tick, sign, only);
    return { tick, sign, only, element };
  }

  drawNames() {
    const names = shownNames();
    for (const [name, row] of this.rows) {
      if (run.processes.has(name)) continue;
      row.element.remove();
      this.rows.delete(name);
    }
    for (const [name, process] of run.processes) {
      let row = this.rows.get(name);
      if (!row) {
        row = this.make(name);
        this.rows.set(name, row);
        this.list.append(row.element);
      }
      const [mark, kind] = signOf(process);
      setText(row.sign, mark);
      setAttribute(row.sign, 'class', `sign kind-${kind}`);
      row.tick.checked = names.length === 0 || names.includes(name);
      row.only.style.color = css(process.color);
    }
  }
}
