// The side bar with runs and processes.

import { prompt, whenSilent } from '../lib/asking.js';
import { atNextFrame, h, setAttribute, setText } from '../lib/dom.js';
import { address, go, place } from '../lib/router.js';
import { changes, me, run, unfinished } from '../lib/store.js';
import { ending, signOf } from '../lib/states.js';
import { theme } from '../lib/theme.js';
import { css } from '../log/colors.js';
import { Runs } from './run_list.js';

/** How many rows are created in one frame. */
const STEP = 50;

/** The processes that the address selects for the log; none means all. */
export function shownNames() {
  return (place.value.values.names ?? '').split(',').filter((name) => run.processes.has(name));
}

/** @param {string[]} names */
export function show(names) {
  const all = names.length === 0 || names.length === run.processes.size;
  go({ view: 'log', values: { ...place.value.values, names: all ? '' : names.join(',') } });
}

/** Where a process that waits is answered. @param {string} name */
const answerAddress = (name) => address({ run: run.id, view: 'terminal', values: { name, look: me.value?.role === 'admin' ? '0' : '' } });

export class Side {
  constructor() {
    this.list = h('ul', { class: 'names' });
    this.element = h('nav', { class: 'side', 'aria-label': 'Runs and processes' },
      h('h2', { text: 'Runs' }), new Runs().list, h('h2', { text: 'Processes' }), this.list);
    /** @type {Map<string, any>} */
    this.rows = new Map();
    this.again = atNextFrame(() => this.drawNames());
    place.watch(this.again);
    changes.watch(this.again);
    theme.watch(this.again);
    // Nothing else happens when a process has been silent for long enough.
    unfinished.watch(() => whenSilent(this.again));
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
    const word = h('span', { class: 'state-word' });
    const asks = h('a', { class: 'asks', href: answerAddress(name), 'aria-label': `${name} waits for an answer: open its terminal`, text: '? waits' });
    const element = h('li', {}, tick, sign, only, word, asks);
    return { tick, sign, only, word, asks, element };
  }

  drawNames() {
    const names = shownNames();
    for (const [name, row] of this.rows) {
      if (run.processes.has(name)) continue;
      row.element.remove();
      this.rows.delete(name);
    }
    let made = 0;
    for (const [name, process] of run.processes) {
      let row = this.rows.get(name);
      if (!row) {
        if (made === STEP) break;
        made += 1;
        row = this.make(name);
        this.rows.set(name, row);
        this.list.append(row.element);
      }
      const [mark, kind] = signOf(process);
      setText(row.sign, mark);
      setAttribute(row.sign, 'class', `sign kind-${kind}`);
      row.tick.checked = names.length === 0 || names.includes(name);
      const isEnd = process.state === 'exited' && kind === 'bad';
      setText(row.word, isEnd ? ending(process) : process.state);
      setAttribute(row.word, 'class', `state-word kind-${kind}`);
      const asked = prompt(process);
      row.asks.hidden = asked === null;
      row.word.hidden = asked !== null;
      row.element.classList.toggle('asking', asked !== null);
      setAttribute(row.asks, 'title', asked);
      setAttribute(row.only, 'title', `Only ${name} (${process.state})`);
      const color = css(process.color);
      if (row.color !== color) row.only.style.color = color;
      row.color = color;
    }
    if (made === STEP) this.again();
  }
}
