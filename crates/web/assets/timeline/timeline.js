// The timeline: one time axis for all processes. A click opens the log there.

import { get, query } from '../lib/api.js';
import { atNextFrame, h, setAttribute, setText } from '../lib/dom.js';
import { filter, isWanted } from '../lib/filter.js';
import { changes, head, me, run, supervisor } from '../lib/store.js';
import { theme } from '../lib/theme.js';
import { hostTime, ms } from '../lib/time.js';
import { everySecond } from '../lib/visible.js';
import { Cursor } from './cursor.js';
import { axisLabels } from './axis.js';
import { Lane } from './lane.js';
import { Marks, promptOf } from './marks.js';
import { LENGTHS, Period } from './period.js';
import { HEIGHT } from './shapes.js';

const STORE = 'tmo-timeline';
/** The width of a column in pixels. */
const COLUMN = 4;
/** In the log, a timeline with more lanes than this is folded at first. */
const MOST_BESIDE_LOG = 6;

/** @typedef {{ choice?: string, overview?: boolean, log?: boolean }} Kept */

/** @returns {Kept} */
function kept() {
  try {
    return JSON.parse(localStorage.getItem(STORE) ?? '{}');
  } catch {
    return {};
  }
}

export class Timeline {
  /** @param {string} id the run @param {(cursor: string | null) => void} onopen called with the chosen line; null for the end */
  constructor(id, onopen) {
    this.id = id;
    this.onopen = onopen;
    this.period = new Period(kept().choice ?? '');
    this.marks = new Marks(id);
    /** @type {Map<string, Lane>} */ this.lanes = new Map();
    /** @type {import('./period.js').Bounds} */ this.bounds = { from: 0, until: 1, columns: 1 };
    /** The time that the log shows. @type {[number, number] | null} */ this.window = null;
    this.view = 'overview';
    this.width = 0;
    this.fetched = '';
    this.abort = new AbortController();

    this.fold = h('button', { class: 'quiet fold', onclick: () => this.toggle() });
    this.choices = [...LENGTHS.keys()].map((choice) =>
      h('button', { class: 'toggle', text: choice, onclick: () => this.choose(choice) }));
    const move = (/** @type {string} */ text, /** @type {string} */ label, /** @type {number} */ share) =>
      h('button', { class: 'act', text, 'aria-label': label, title: label, onclick: () => this.move(share) });
    this.earlier = move('◀', 'Earlier', -0.5);
    this.later = move('▶', 'Later', 0.5);
    this.live = h('button', { class: 'toggle', text: 'Live', title: 'Move with the time', onclick: () => this.toggleLive() });
    this.controls = h('span', { class: 'timeline-controls' }, ...this.choices, this.earlier, this.later, this.live);
    this.signs = Object.fromEntries([['start', '▶ start'], ['end', '■ end'], ['crash', '✖ crash'], ['flag', '⚑ flag'], ['prompt', '◌ prompt']].map(([kind, text]) =>
      [kind, h('span', { class: `legend-${kind}`, text })]));
    this.legend = h('span', { class: 'timeline-legend dim', 'aria-hidden': 'true' }, ...Object.values(this.signs));
    this.shown = h('span', { class: 'lane-window', hidden: true });
    this.line = h('span', { class: 'lane-cursor', hidden: true });
    this.overlay = h('div', { class: 'lane-overlay' }, this.shown, this.line);
    this.rows = h('div', { class: 'lane-rows' }, this.overlay);
    this.list = h('div', {
      class: 'lanes', tabindex: '0', role: 'slider', 'aria-label': 'Timeline', 'aria-orientation': 'horizontal', 'aria-valuemin': '0',
    }, this.rows);
    this.axis = h('div', { class: 'timeline-axis dim', 'aria-hidden': 'true' });
    this.tip = h('div', { class: 'timeline-tip', hidden: true });
    this.body = h('div', { class: 'timeline-body' }, this.list, this.axis, this.tip);
    this.element = h('section', { class: 'timeline', 'aria-label': 'Timeline' },
      h('div', { class: 'timeline-head' }, this.fold, this.controls, h('span', { class: 'space' }), this.legend), this.body);
    this.cursor = new Cursor(this);

    this.draw = atNextFrame(() => this.paint());
    this.list.addEventListener('scroll', () => this.update());
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.overlay);
    this.ends = [changes.watch(() => this.arrange()), filter.watch(() => { this.arrange(); this.update(); }), theme.watch(this.draw), everySecond(() => this.update())];
  }

  close() {
    for (const end of this.ends) end();
    this.observer.disconnect();
    this.abort.abort();
  }

  /** Adapt to this view. @param {string} view */
  showIn(view) {
    this.view = view;
    this.element.dataset.in = view;
    if (view !== 'log') this.showWindow(null);
    this.showFold();
  }

  // What is shown

  get isOpen() {
    const isLarge = !matchMedia('(max-width: 700px)').matches;
    const isFew = this.view === 'overview' || this.lanes.size <= MOST_BESIDE_LOG;
    return kept()[/** @type {'log' | 'overview'} */ (this.view)] ?? (isLarge && isFew);
  }

  toggle() {
    localStorage.setItem(STORE, JSON.stringify({ ...kept(), [this.view]: !this.isOpen }));
    this.showFold();
  }

  showFold() {
    const { isOpen } = this;
    setText(this.fold, `${isOpen ? '▾' : '▸'} Timeline`);
    setAttribute(this.fold, 'aria-expanded', String(isOpen));
    for (const part of [this.body, this.controls, this.legend]) part.hidden = !isOpen;
    this.showChoice();
    this.update();
  }

  /** @param {string} choice */
  choose(choice) {
    localStorage.setItem(STORE, JSON.stringify({ ...kept(), choice }));
    this.period.choice = choice;
    this.changed();
  }

  /** @param {number} share */
  move(share) {
    this.period.move(share, this.begin, this.now);
    this.changed();
  }

  toggleLive() {
    this.period.stopped = this.period.stopped === null ? this.now : null;
    this.changed();
  }

  changed() {
    this.showChoice();
    this.update();
  }

  showChoice() {
    const isWhole = this.period.isWhole(this.begin, this.now);
    for (const button of this.choices) setAttribute(button, 'aria-pressed', String(button.textContent === this.period.choice));
    for (const button of [this.earlier, this.later, this.live]) button.hidden = isWhole;
    setAttribute(this.live, 'aria-pressed', String(this.period.stopped === null));
  }

  /** Mark the time that the log shows. @param {[number, number] | null} window @param {boolean} [follows] */
  showWindow(window, follows = false) {
    const before = this.period.stopped;
    this.window = window;
    if (window && follows && this.follows === false) this.period.stopped = null;
    if (window && !follows) this.period.include(window[0], this.begin, this.now);
    this.follows = follows;
    if (!this.isOpen) return;
    this.showChoice();
    this.draw();
  }

  /** When the run began. */
  get begin() {
    return ms(run.state?.started ?? 0) || this.marks.begin;
  }

  get now() {
    return supervisor.value === 'over' ? this.marks.end || hostTime() : hostTime();
  }

  get isLive() {
    return supervisor.value !== 'over';
  }

  /** Open the log at a mark, or at a time. @param {string} name @param {import('./marks.js').Mark | undefined} mark @param {number} time */
  async open(name, mark, time) {
    const lines = (/** @type {object} */ values) => get(`/r/${this.id}/api/lines${query(values)}`);
    if (mark?.line !== undefined) {
      // The journal has the flag after its line.
      const page = await lines({ name, before: mark.cursor, limit: 100 });
      const line = page.lines.findLast((/** @type {any} */ one) => one.text === mark.line);
      if (line) return this.onopen(line.cursor);
    } else if (mark?.cursor) return this.onopen(mark.cursor);
    const page = await lines({ since: new Date(mark?.time ?? time).toISOString(), limit: 1 });
    return this.onopen(page.lines[0]?.cursor ?? null);
  }

  // Lanes

  /** Show in the legend only the marks that can occur in this session and this run. */
  showLegend() {
    const hasMarks = !me.value?.is_limited;
    for (const kind of ['start', 'end', 'crash']) this.signs[kind].hidden = !hasMarks;
    this.signs.flag.hidden = !hasMarks || ![...run.processes.values()].some((process) => process.flags?.length);
    this.signs.prompt.hidden = supervisor.value === 'over';
  }

  /** Create a lane for each process, in the order of the processes. */
  arrange() {
    this.showLegend();
    for (const [name, lane] of this.lanes) {
      if (run.processes.has(name)) continue;
      lane.element.remove();
      this.lanes.delete(name);
    }
    for (const [name, process] of run.processes) {
      let lane = this.lanes.get(name);
      if (!lane) {
        lane = new Lane(name);
        this.lanes.set(name, lane);
        this.rows.append(lane.element);
      }
      lane.element.hidden = !isWanted(process);
    }
    if (this.body.hidden === this.isOpen) this.showFold();
  }

  /** The names of the lanes that are not filtered out, in their order. */
  get names() {
    return [...this.lanes].filter(([, lane]) => !lane.element.hidden).map(([name]) => name);
  }

  /** The names of the visible lanes. */
  visible() {
    const first = Math.floor(this.list.scrollTop / HEIGHT);
    const count = Math.ceil(this.list.clientHeight / HEIGHT) + 1;
    return this.names.slice(first, first + count);
  }

  resized() {
    const { width } = this.overlay.getBoundingClientRect();
    if (Math.abs(width - this.width) < 1) return;
    this.width = width;
    this.update();
  }

  // Reading and drawing

  /** Read missing data, one request at a time, and draw. */
  async update() {
    if (document.hidden || !this.isOpen || !this.width || !this.element.isConnected || !run.state) return;
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    const { signal } = this.abort;
    try {
      await this.read(signal);
    } catch (error) {
      if (signal.aborted) return;
      this.fetched = '';
    }
    this.busy = false;
    this.draw();
    if (!this.again) return;
    this.again = false;
    this.update();
  }

  /** @param {AbortSignal} signal */
  async read(signal) {
    const columns = Math.max(20, Math.min(400, Math.floor(this.width / COLUMN)));
    // Events of a process may name others, so a limited session receives none.
    const hasMarks = !me.value?.is_limited;
    if (hasMarks && this.marks.bottom === null) await this.marks.read(0, signal);
    const bounds = this.period.bounds(this.begin, this.now, columns);
    const names = this.visible();
    const key = JSON.stringify([bounds, names, head.value]);
    if (key === this.fetched || !names.length) return;
    const [since, until] = [new Date(bounds.from).toISOString(), new Date(bounds.until).toISOString()];
    const output = await get(`/r/${this.id}/api/output${query({ since, until, parts: columns, name: names })}`, signal);
    const bytes = new Map(output.processes.map((/** @type {any} */ one) => [one.name, one.bytes]));
    for (const name of names) {
      const lane = this.lanes.get(name);
      if (lane) lane.bytes = bytes.get(name) ?? [];
    }
    this.again = hasMarks && await this.marks.read(bounds.from, signal);
    this.bounds = bounds;
    this.showChoice();
    this.fetched = this.again ? '' : key;
  }

  paint() {
    if (!this.isOpen || !this.element.isConnected) return;
    const { bounds, width, isLive } = this;
    for (const name of this.visible()) {
      const lane = this.lanes.get(name);
      if (!lane) continue;
      lane.marks = this.marks.of.get(name) ?? [];
      lane.draw({ bounds, width, runs: this.marks.runs, prompt: promptOf(name), isLive });
    }
    this.axis.replaceChildren(...axisLabels(bounds, width));
    this.paintWindow();
    this.cursor.show();
  }

  paintWindow() {
    const { from, until } = this.bounds;
    const window = this.window;
    this.shown.hidden = !window || window[1] < from || window[0] > until;
    if (!window || this.shown.hidden) return;
    const place = (/** @type {number} */ time) => Math.min(1, Math.max(0, (time - from) / (until - from))) * this.width;
    this.shown.style.left = `${place(window[0]).toFixed(1)}px`;
    this.shown.style.width = `${Math.max(3, place(window[1]) - place(window[0])).toFixed(1)}px`;
  }
}
