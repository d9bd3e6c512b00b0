// The page of figures: the resource use of each process over the last minutes, hour or day. Only visible rows
// are drawn. The moment under the mouse is marked in all charts.

import { atNextFrame, h, setAttribute, setText } from '../lib/dom.js';
import { fetchFigures, halves, seconds, tens } from '../lib/figures.js';
import { filter, isWanted } from '../lib/filter.js';
import { changes, hasFigures, run, supervisor } from '../lib/store.js';
import { clock } from '../lib/time.js';
import { everySecond } from '../lib/visible.js';
import { CHARTS, Chart } from './chart.js';
import { Row } from './row.js';
import { Starts } from './starts.js';

/** How many rows are created in one frame. */
const STEP = 25;
/** The rows are sorted by the average of this many samples. */
const RECENT = 5;
/** How often the order may change, in milliseconds. */
const ORDER = 5000;
const STORE = 'tmo-figures';

/** The times that can be shown. */
const LENGTHS = [['2½ minutes', seconds], ['1 hour', tens], ['1 day', halves]].map(([text, ring]) => ({ text: String(text), ring: /** @type {import('../lib/ring.js').Ring} */ (ring) }));

/** @returns {{ length?: number, order?: string }} */
function kept() {
  try {
    return JSON.parse(localStorage.getItem(STORE) ?? '{}');
  } catch {
    return {};
  }
}

export class FiguresView {
  constructor() {
    /** @type {Map<string, Row>} */ this.rows = new Map();
    /** The sample under the mouse, counted from the left of the charts; null for the last one. @type {number | null} */
    this.at = null;
    /** Which of the times is shown. */
    this.length = LENGTHS[kept().length ?? 0] ? kept().length ?? 0 : 0;
    this.order = kept().order ?? 'name';
    this.ordered = 0;
    this.lengths = LENGTHS.map(({ text }, length) => h('button', { class: 'toggle', text, onclick: () => this.choose({ length }) }));
    this.sort = /** @type {HTMLSelectElement} */ (h('select', { class: 'field', 'aria-label': 'Order', onchange: () => this.choose({ order: this.sort.value }) },
      ...[['name', 'By name'], ['cpu', 'By CPU'], ['memory', 'By memory'], ['output', 'By output']].map(([value, text]) =>
        h('option', { value, text, selected: value === this.order }))));
    this.moment = h('span', { class: 'moment' });
    this.sums = CHARTS.map((chart) => new Chart(chart));
    /** The values of the charts of sums. @type {import('../lib/ring.js').Values[]} */ this.values = [];
    this.summed = '';
    this.lines = CHARTS.map(() => h('span', { class: 'figures-line', hidden: true }));
    this.total = h('div', {
      class: 'used total', tabindex: '0', role: 'slider', 'aria-label': 'Moment', 'aria-valuemin': '0',
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event), onblur: () => this.point(null),
    }, h('div', { class: 'used-name' }, h('p', { text: 'All processes' }), this.moment), ...this.sums.map((sum) => sum.element));
    this.list = h('ul', { class: 'used-list' });
    this.starts = new Starts();
    this.scroll = h('div', { class: 'figures-scroll' }, this.total, this.list, this.starts.element);
    this.none = h('p', { class: 'dim pad', hidden: true });
    this.element = h('section', { class: 'figures-page', 'aria-label': 'Figures' },
      h('div', { class: 'figures-bar' }, ...this.lengths, h('span', { class: 'space' }), this.sort), this.none,
      h('div', { class: 'figures-area' }, this.scroll, ...this.lines));
    this.element.addEventListener('pointermove', (event) => this.pointAt(event));
    this.element.addEventListener('pointerleave', () => this.point(null));
    this.observer = new IntersectionObserver((entries) => this.seen(entries), { root: this.scroll, rootMargin: '150px' });
    this.draw = atNextFrame(() => this.update());
    this.fetched = 0;
    this.ends = [changes.watch(this.draw), filter.watch(this.draw), everySecond(() => this.refresh())];
    this.choose({});
  }

  get scroller() {
    return this.scroll;
  }

  close() {
    this.isClosed = true;
    for (const end of this.ends) end();
    this.observer.disconnect();
  }

  get ring() {
    return LENGTHS[this.length].ring;
  }

  /** @param {{ length?: number, order?: string }} choice */
  choose(choice) {
    if (Object.keys(choice).length) localStorage.setItem(STORE, JSON.stringify({ ...kept(), ...choice }));
    this.length = choice.length ?? this.length;
    this.fetched = 0;
    this.order = choice.order ?? this.order;
    this.lengths.forEach((button, at) => setAttribute(button, 'aria-pressed', String(at === this.length)));
    this.at = null;
    this.ordered = 0;
    this.refresh();
  }

  /** Fetch the newest of the longer samples once there is one. */
  refresh() {
    const { ring } = this;
    if (ring !== seconds && Date.now() - this.fetched >= ring.interval * 1000) {
      this.fetched = Date.now();
      fetchFigures(ring, this.draw);
    }
    this.starts.update();
    this.draw();
  }

  /** @param {IntersectionObserverEntry[]} entries */
  seen(entries) {
    for (const entry of entries) {
      const row = this.rows.get(/** @type {HTMLElement} */ (entry.target).dataset.name ?? '');
      if (!row) continue;
      row.isInView = entry.isIntersecting;
      row.draw(this.ring, this.at ?? this.ring.most - 1);
    }
  }

  // The moment

  /** @param {PointerEvent} event */
  pointAt(event) {
    const area = /** @type {Element} */ (event.target).closest('.plot-area');
    if (!area) return this.point(null);
    const { left, width } = area.getBoundingClientRect();
    return this.point(Math.round(((event.clientX - left) / width) * this.ring.most));
  }

  /** @param {number | null} at */
  point(at) {
    const { most, length } = this.ring;
    const next = at === null || !length ? null : Math.min(most - 1, Math.max(most - length, at));
    if (next === this.at) return;
    this.at = next;
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { most, length } = this.ring;
    const at = this.at ?? most - 1;
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (by) this.point(at + by);
    else if (event.key === 'Home') this.point(most - length);
    else if (event.key === 'End' || (event.key === 'Escape' && this.at !== null)) this.point(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Drawing

  update() {
    if (this.isClosed) return;
    const isOver = supervisor.value === 'over' && !seconds.length;
    const hasAny = hasFigures() && !isOver;
    setText(this.none, isOver ? 'This run is over, and what its processes used is not kept.' : 'This run takes no samples of what its processes use: its configuration says `metrics = false`.');
    this.none.hidden = hasAny;
    this.scroll.hidden = !hasAny;
    if (!hasAny) return;
    this.makeRows();
    const { ring } = this;
    const at = this.at ?? ring.most - 1;
    const time = ring.length ? clock(new Date(ring.timeAt(at - (ring.most - ring.length)))) : '';
    setText(this.moment, this.at === null ? 'now' : time);
    if (this.summed !== `${ring.interval} ${ring.version}`) {
      this.summed = `${ring.interval} ${ring.version}`;
      this.values = this.sums.map((sum) => ring.sums(sum.kind));
    }
    this.sums.forEach((sum, part) => sum.show(this.values[part], ring, at));
    this.drawLines(at);
    const values = this.sums.map((sum) => `${sum.amount.textContent} ${sum.kind}`).join(', ');
    setAttribute(this.total, 'aria-valuemax', String(ring.most - 1));
    setAttribute(this.total, 'aria-valuenow', String(at));
    setAttribute(this.total, 'aria-valuetext', `${this.at === null ? 'now' : time}: ${values}`);
    for (const [name, row] of this.rows) {
      row.element.hidden = !isWanted(run.processes.get(name));
      row.draw(ring, at);
    }
  }

  /** One line through all charts of a column. @param {number} at */
  drawLines(at) {
    for (const line of this.lines) line.hidden = this.at === null;
    if (this.at === null) return;
    const { left } = this.element.getBoundingClientRect();
    this.lines.forEach((line, part) => {
      const area = this.sums[part].drawing.getBoundingClientRect();
      line.style.left = `${(area.left - left + ((at + 0.5) / this.ring.most) * area.width).toFixed(1)}px`;
    });
  }

  makeRows() {
    let made = 0;
    for (const [name, row] of this.rows) {
      if (run.processes.has(name)) continue;
      this.observer.unobserve(row.element);
      row.element.remove();
      this.rows.delete(name);
    }
    for (const name of run.processes.keys()) {
      if (this.rows.has(name)) continue;
      if (made === STEP) return this.draw();
      made += 1;
      const row = new Row(name);
      this.rows.set(name, row);
      this.list.append(row.element);
      this.observer.observe(row.element);
      this.ordered = 0;
    }
    return this.arrange();
  }

  /** Sort the rows, unless the mouse is over them. */
  arrange() {
    if (Date.now() - this.ordered < ORDER || (this.ordered && this.at !== null)) return;
    this.ordered = Date.now();
    const names = [...run.processes.keys()];
    if (this.order === 'name') names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    else {
      const kind = /** @type {import('./chart.js').Kind} */ (this.order);
      const recent = new Map(names.map((name) => [name, mean(seconds.processes.get(name)?.[kind] ?? [])]));
      names.sort((a, b) => (recent.get(b) ?? 0) - (recent.get(a) ?? 0));
    }
    const isSame = names.every((name, at) => this.list.children[at] === this.rows.get(name)?.element);
    if (!isSame) this.list.append(...names.map((name) => /** @type {Row} */ (this.rows.get(name)).element));
  }
}

/** @param {(number | null)[]} values */
function mean(values) {
  let sum = 0;
  for (const value of values.slice(-RECENT)) sum += value ?? 0;
  return sum;
}
