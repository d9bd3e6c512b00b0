// A foldable group of processes in the overview.

import { actOnAll } from '../lib/actions.js';
import { h, setAttribute, setText } from '../lib/dom.js';
import { filter, isWanted } from '../lib/filter.js';
import { isBad, looping } from '../lib/states.js';
import { canAct, run } from '../lib/store.js';
import { askToRestart, askToStop } from './restart_all.js';

const STORE = 'tmo-folded';

/** @returns {string[]} */
function stored() {
  try {
    return JSON.parse(localStorage.getItem(STORE) ?? '[]');
  } catch {
    return [];
  }
}

export class Group {
  /** @param {string} name '' for the processes without a group */
  constructor(name) {
    this.name = name;
    /** @type {string[]} */ this.names = [];
    this.key = `${run.state?.root ?? ''} ${name}`;
    this.isFolded = name !== '' && stored().includes(this.key);
    this.fold = h('button', { class: 'quiet fold', onclick: () => this.toggle() });
    this.count = h('span', { class: 'dim' });
    const button = (/** @type {string} */ label, /** @type {() => void} */ work) =>
      h('button', { text: label, 'aria-label': `${label} group ${name}`, onclick: work });
    this.acts = h('span', { class: 'group-acts' }, button('Start', () => actOnAll('start', this.names)),
      button('Stop', () => askToStop(`Stop the group ${name}?`, this.names)),
      button('Restart', () => askToRestart(`Restart the group ${name}?`, this.names)));
    this.cell = h('th', { scope: 'rowgroup' }, h('span', { class: 'group-head' }, this.fold, this.count, this.acts));
    this.head = h('tr', { class: 'group' }, this.cell);
    this.body = h('tbody', {}, name ? this.head : null);
    this.show();
  }

  toggle() {
    this.isFolded = !this.isFolded;
    const others = stored().filter((key) => key !== this.key);
    localStorage.setItem(STORE, JSON.stringify(this.isFolded ? [...others, this.key] : others));
    this.show();
  }

  show() {
    setText(this.fold, `${this.isFolded ? '▸' : '▾'} ${this.name}`);
    setAttribute(this.fold, 'aria-expanded', String(!this.isFolded));
    this.body.classList.toggle('folded', this.isFolded);
  }

  /** @param {string[]} names @param {string} columns how many are shown, for `colspan` */
  update(names, columns) {
    // What is filtered out neither counts nor is started, stopped or restarted; what is not is never folded.
    this.names = names.filter((name) => isWanted(run.processes.get(name)));
    this.body.classList.toggle('folded', this.isFolded && !filter.value);
    if (!this.name) return;
    setAttribute(this.cell, 'colspan', columns);
    let [bad, loops, running] = [0, 0, 0];
    for (const name of this.names) {
      const process = run.processes.get(name);
      if (looping(process)) loops += 1;
      else if (isBad(process)) bad += 1;
      else if (process.pid) running += 1;
    }
    setText(this.count, `${running} of ${this.names.length} running${bad ? ` · ▲ ${bad} failed` : ''}${loops ? ` · ✖ ${loops} in a crash loop` : ''}`);
    setAttribute(this.count, 'class', bad || loops ? 'kind-bad' : 'dim');
    this.acts.hidden = !canAct();
  }
}
