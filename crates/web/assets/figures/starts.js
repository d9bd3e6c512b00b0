// The latest starts and ends of processes, as a table.

import { get, query } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { logAddress } from '../lib/router.js';
import { labelOf, me, run } from '../lib/store.js';
import { full } from '../lib/time.js';

/** How many entries of the log are read, and how many are shown. */
const ENTRIES = 1000;
const SHOWN = 100;

/** @param {any} line */
function words(line) {
  if (line.event === 'start') return `started, life ${line.life}, pid ${line.pid}`;
  return line.signal === undefined ? `exited with ${line.code}` : `ended by signal ${line.signal}`;
}

export class Starts {
  constructor() {
    this.known = '';
    this.isReading = false;
    this.body = h('tbody');
    this.element = h('section', { class: 'panel starts', hidden: true },
      h('header', {}, h('h2', { text: 'Starts and ends' })),
      h('table', { class: 'list' },
        h('thead', {}, h('tr', {}, ...['Time', 'Process', 'What'].map((text) => h('th', { scope: 'col', text })))), this.body));
  }

  /** Read them again if a process has begun or ended. */
  async update() {
    // A limited session receives no events.
    if (me.value?.is_limited || this.isReading || !run.id) return;
    const known = [...run.processes.values()].map((one) => `${one.name} ${one.lives} ${one.pid}`).join();
    if (known === this.known) return;
    this.isReading = true;
    try {
      const page = await get(`/r/${run.id}/api/lines${query({ events: true, before: 'end', limit: ENTRIES })}`);
      this.known = known;
      this.show(page.lines.filter((/** @type {any} */ line) => line.event === 'start' || line.event === 'exit').reverse().slice(0, SHOWN));
    } catch {
      // The next change tries again.
    }
    this.isReading = false;
  }

  /** @param {any[]} lines */
  show(lines) {
    this.element.hidden = !lines.length;
    this.body.replaceChildren(...lines.map((line) => {
      const isBad = line.event === 'exit' && line.code !== 0;
      return h('tr', {},
        h('td', {}, h('a', { href: logAddress(run.id, { at: line.cursor }), text: full(new Date(line.time)).slice(0, -4) })),
        h('td', { text: labelOf(line.name) }),
        h('td', { class: isBad ? 'kind-bad' : '', text: words(line) }));
    }));
  }
}
