// All processes at a glance. Only changed cells are updated.

import { failures } from '../lib/actions.js';
import { prompt } from '../lib/asking.js';
import { atNextFrame, h, setText } from '../lib/dom.js';
import { drift, lookForDrift } from '../lib/drift.js';
import { filter, isWanted } from '../lib/filter.js';
import { crashLoop, isBad } from '../lib/states.js';
import { changes, hasFigures, me, run, runs } from '../lib/store.js';
import { hostTime } from '../lib/time.js';
import { everySecond } from '../lib/visible.js';
import { Group } from './group.js';
import { COLUMNS, ProcessRow } from './process_row.js';
import { Tiles } from './tiles.js';

/** How many rows are created in one frame. */
const STEP = 25;
/** The mouse must rest for this long before rows move, in milliseconds. */
const REST = 2000;

export class Overview {
  constructor() {
    /** @type {Map<string, ProcessRow>} */ this.rows = new Map();
    /** @type {Map<string, Group>} */ this.groups = new Map();
    this.tiles = new Tiles((name) => this.reveal(name));
    this.heads = COLUMNS.map(([text, kind]) =>
      h('th', { scope: 'col', class: kind }, text || h('span', { class: 'unseen', text: 'Actions' })));
    this.table = /** @type {HTMLTableElement} */ (h('table', { class: 'processes', 'aria-label': 'Processes' }, h('thead', {}, h('tr', {}, ...this.heads))));
    this.empty = h('p', { class: 'dim pad' });
    /** When the mouse last moved over the table: rows must not move under it. */
    this.pointed = 0;
    this.table.addEventListener('pointermove', () => { this.pointed = hostTime(); });
    this.element = h('div', { class: 'overview' }, this.tiles.element, this.table, this.empty);
    this.observer = new IntersectionObserver((entries) => this.seen(entries), { root: this.element, rootMargin: '200px' });
    const draw = atNextFrame(() => this.update());
    this.again = draw;
    this.size = new ResizeObserver(draw);
    this.size.observe(this.element);
    this.ends = [changes.watch(draw), failures.watch(draw), me.watch(draw), runs.watch(draw), filter.watch(draw), drift.watch(draw), changes.watch(lookForDrift), everySecond(draw)];
    lookForDrift();
  }

  get scroller() {
    return this.element;
  }

  close() {
    this.isClosed = true;
    for (const end of this.ends) end();
    this.observer.disconnect();
    this.size.disconnect();
  }

  /** @param {IntersectionObserverEntry[]} entries */
  seen(entries) {
    const now = hostTime();
    for (const entry of entries) {
      const name = /** @type {HTMLElement} */ (entry.target).dataset.name ?? '';
      const [row, process] = [this.rows.get(name), run.processes.get(name)];
      if (!row) continue;
      row.isInView = entry.isIntersecting;
      // A visible row may request the cause of its failure.
      if (row.isInView) this.again();
      if (row.isInView && process) row.updateFigures(process, now);
    }
  }

  /** @param {string} name */
  reveal(name) {
    const row = this.rows.get(name)?.element;
    row?.scrollIntoView({ block: 'center' });
    /** @type {HTMLElement | null | undefined} */ (row?.querySelector('a'))?.focus();
  }

  update() {
    if (this.isClosed) return;
    const now = hostTime();
    const wanted = [...run.processes.values()].filter(isWanted).length;
    setText(this.empty, run.processes.size ? 'No process has that in its name, its state or its groups.' : 'Looking for the processes …');
    this.empty.hidden = wanted > 0;
    this.table.classList.toggle('no-figures', !hasFigures());
    // A cell that spans more columns than there are would take width from the name.
    const columns = String(this.heads.filter((head) => head.checkVisibility()).length);
    this.forget();
    this.tiles.update();
    let made = 0;
    const groups = byGroup();
    for (const [group, names] of groups) {
      const section = this.section(group);
      section.update(names, columns);
      for (const name of names) {
        let row = this.rows.get(name);
        if (!row) {
          if (made === STEP) continue;
          made += 1;
          row = this.make(name);
        }
        if (row.element.parentElement !== section.body) section.body.append(row.element, row.note);
        row.update(run.processes.get(name), now, columns);
      }
      section.body.hidden = !names.some((name) => isWanted(run.processes.get(name)));
      if (now - this.pointed > REST) this.arrange(section.body, urgentFirst(names));
    }
    if (now - this.pointed > REST) this.arrangeGroups(groups);
    if (made === STEP) this.again();
  }

  /** Put the groups in their order, those in which something failed or waits first. @param {Map<string, string[]>} groups */
  arrangeGroups(groups) {
    const all = [...groups.keys()];
    const isFirst = (/** @type {string} */ name) => !!groups.get(name)?.some(isUrgent);
    const bodies = [...all.filter(isFirst), ...all.filter((name) => !isFirst(name))].map((name) => this.section(name).body);
    const shown = [...this.table.tBodies];
    if (bodies.every((body, at) => body === shown[at])) return;
    const focused = document.activeElement;
    this.table.append(...bodies);
    if (focused instanceof HTMLElement && this.table.contains(focused)) focused.focus({ preventScroll: true });
  }

  /** Put the rows of a group in this order. @param {HTMLElement} body @param {string[]} names */
  arrange(body, names) {
    const rows = names.flatMap((name) => this.rows.get(name) ?? []);
    const shown = [...body.querySelectorAll('tr[data-name]')];
    if (rows.every((row, at) => row.element === shown[at])) return;
    const focused = document.activeElement;
    body.append(...rows.flatMap((row) => [row.element, row.note]));
    if (focused instanceof HTMLElement && body.contains(focused)) focused.focus({ preventScroll: true });
  }

  /** @param {string} name */
  make(name) {
    const row = new ProcessRow(name);
    this.rows.set(name, row);
    this.observer.observe(row.element);
    return row;
  }

  /** @param {string} name */
  section(name) {
    let group = this.groups.get(name);
    if (!group) {
      group = new Group(name);
      this.groups.set(name, group);
      this.table.append(group.body);
    }
    return group;
  }

  /** Remove the rows and groups of processes that are gone. */
  forget() {
    for (const [name, row] of this.rows) {
      if (run.processes.has(name)) continue;
      this.observer.unobserve(row.element);
      row.element.remove();
      row.note.remove();
      this.rows.delete(name);
    }
    const left = byGroup();
    for (const [name, group] of this.groups) {
      if (left.has(name)) continue;
      group.body.remove();
      this.groups.delete(name);
    }
  }
}

/** @param {string} name */
function isUrgent(name) {
  const process = run.processes.get(name);
  return isBad(process) || prompt(process) !== null || crashLoop(process) !== null;
}

/** Sort failed and waiting processes first, and keep the order otherwise. @param {string[]} names */
function urgentFirst(names) {
  const urgent = names.filter(isUrgent);
  return urgent.length ? [...urgent, ...names.filter((name) => !urgent.includes(name))] : names;
}

/** The names of the processes by their first group; those without one come first. */
function byGroup() {
  /** @type {Map<string, string[]>} */
  const groups = new Map([['', []]]);
  for (const [name, process] of run.processes) {
    const group = process.groups?.[0] ?? '';
    const names = groups.get(group);
    if (names) names.push(name);
    else groups.set(group, [name]);
  }
  if (!groups.get('')?.length) groups.delete('');
  return groups;
}
