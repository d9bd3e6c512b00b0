// All processes at a glance. Only the cells that have changed are touched.

import { act, failures, setFailure } from '../lib/actions.js';
import { h, setAttribute, setText, svg } from '../lib/dom.js';
import { go } from '../lib/router.js';
import { changes, me, run } from '../lib/store.js';
import { canStart, canStop, ending, failed, reason, signOf } from '../lib/states.js';
import { bytes, ms, span } from '../lib/time.js';
import { why } from './why.js';

const HEADS = ['Name', 'State', 'Ready', 'Up', 'Restarts', 'CPU', 'Memory', 'Port', ''];

/** A line of figures as one path. */
class Spark {
  constructor() {
    this.path = svg('path', { d: '' });
    this.element = svg('svg', { class: 'spark', viewBox: '0 0 60 16', 'aria-hidden': 'true', preserveAspectRatio: 'none' }, this.path);
  }

  /** @param {number[]} values @param {number} least */
  show(values, least) {
    const most = Math.max(least, ...values);
    const step = (/** @type {number} */ value, /** @type {number} */ at) =>
      `${at ? 'L' : 'M'}${60 - values.length + at},${(15 - (14 * value) / most).toFixed(1)}`;
    setAttribute(this.path, 'd', values.map(step).join(''));
  }
}

/** A process. */
class Row {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.sign = h('span', { class: 'sign', 'aria-hidden': 'true' });
    this.word = h('span');
    this.cells = { ready: h('td', { class: 'wide' }), up: h('td'), restarts: h('td', { class: 'wide number' }) };
    this.cpu = h('span', { class: 'amount' });
    this.memory = h('span', { class: 'amount' });
    this.cpuSpark = new Spark();
    this.memorySpark = new Spark();
    this.port = h('td', { class: 'wide' });
    const button = (/** @type {string} */ label, /** @type {string} */ text, /** @type {() => void} */ work) =>
      h('button', { class: 'act', 'aria-label': `${label} ${name}`, title: label, text, onclick: work });
    this.start = button('Start', '▶', () => act('start', name));
    this.stop = button('Stop', '■', () => act('stop', name));
    this.restart = button('Restart', '↻', () => act('restart', name));
    const log = button('Log of', '≡', () => go({ view: 'log', values: { names: name } }));
    log.classList.add('log-link');
    const terminal = button('Terminal of', '⌨', () => go({ view: 'terminal', values: { name } }));
    this.state = h('td', { class: 'state' }, this.sign, ' ', this.word);
    this.element = h('tr', {},
      h('th', { scope: 'row' }, h('a', { href: '#', text: name, onclick: (/** @type {Event} */ event) => {
        event.preventDefault();
        go({ view: 'log', values: { names: name } });
      } })),
      this.state, this.cells.ready, this.cells.up, this.cells.restarts,
      h('td', { class: 'figure wide' }, this.cpu, this.cpuSpark.element),
      h('td', { class: 'figure' }, this.memory, this.memorySpark.element),
      this.port,
      h('td', { class: 'acts' }, this.start, this.stop, this.restart, terminal, log));
    this.noteText = h('span');
    this.why = h('button', { text: 'Why?', onclick: () => why(name) });
    this.dismiss = h('button', { class: 'quiet', text: 'Dismiss', onclick: () => setFailure(name, null) });
    this.note = h('tr', { class: 'note' }, h('td', { colspan: String(HEADS.length) }, '└ ', this.noteText, ' ', this.why, this.dismiss));
  }

  /** @param {any} process @param {number} now */
  update(process, now) {
    const [mark, kind] = signOf(process);
    setText(this.sign, mark);
    setAttribute(this.state, 'class', `state kind-${kind}`);
    const isBad = failed(process) && !process.pid;
    setText(this.word, isBad && process.state === 'exited' ? ending(process) : process.state);
    setText(this.cells.ready, process.pid && process.ready ? '✓' : process.pid && process.ready === false ? '…' : '–');
    setText(this.cells.up, process.since && process.state !== 'stopped' ? span(now - ms(process.since)) : '–');
    setText(this.cells.restarts, String(Math.max(0, (process.lives ?? 0) - 1)));
    const figures = process.pid ? run.figures.get(this.name) : undefined;
    setText(this.cpu, figures ? `${Math.round(figures.now.cpu_percent ?? 0)} %` : '–');
    setText(this.memory, figures ? bytes(figures.now.memory_bytes) : '–');
    this.cpuSpark.show(figures?.cpu ?? [], 10);
    this.memorySpark.show(figures?.memory ?? [], 1);
    this.showPort(process.port);
    const mayAct = me.value?.role !== 'read';
    this.start.hidden = !mayAct || !canStart(process);
    this.stop.hidden = !mayAct || !canStop(process);
    this.restart.hidden = !mayAct;
    const failure = failures.value.get(this.name);
    const text = failure ?? (isBad && !reason(process) ? `ended with ${ending(process)}` : reason(process));
    setText(this.noteText, text);
    this.note.hidden = !text;
    this.why.hidden = !!failure || kind !== 'bad';
    this.dismiss.hidden = !failure;
    setAttribute(this.note, 'class', `note ${failure || kind === 'bad' ? 'kind-bad' : ''}`);
  }

  /** @param {number | null} port */
  showPort(port) {
    const text = port ? String(port) : '–';
    if (this.port.textContent === text) return;
    const href = `http://localhost:${port}/`;
    this.port.replaceChildren(port ? h('a', { href, target: '_blank', rel: 'noopener noreferrer', text }) : text);
  }
}

export class Overview {
  constructor() {
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    this.body = h('tbody');
    this.empty = h('p', { class: 'dim pad', text: 'Looking for the processes …' });
    this.element = h('div', { class: 'overview' },
      h('table', { class: 'processes' },
        h('thead', {}, h('tr', {}, ...HEADS.map((text, at) =>
          h('th', { scope: 'col', text, class: [2, 4, 5, 7].includes(at) ? 'wide' : '' })))),
        this.body),
      this.empty);
    this.ends = [changes.watch(() => this.update()), failures.watch(() => this.update())];
    this.timer = setInterval(() => this.update(), 1000);
  }

  update() {
    const now = Date.now();
    const names = [...run.processes.keys()];
    this.empty.hidden = names.length > 0;
    for (const [name, row] of this.rows) {
      if (run.processes.has(name)) continue;
      row.element.remove();
      row.note.remove();
      this.rows.delete(name);
    }
    for (const name of names) {
      let row = this.rows.get(name);
      if (!row) {
        row = new Row(name);
        this.rows.set(name, row);
        this.body.append(row.element, row.note);
      }
      row.update(run.processes.get(name), now);
    }
  }

  close() {
    for (const end of this.ends) end();
    clearInterval(this.timer);
  }
}
