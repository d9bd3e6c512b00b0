// The side bar with runs and processes.

import { prompt } from '../lib/asking.js';
import { atNextFrame, h, setAttribute, setText } from '../lib/dom.js';
import { filter, isWanted } from '../lib/filter.js';
import { address, chooseNames, goToLog, lastLog, place } from '../lib/router.js';
import { changes, labelOf, me, named, run } from '../lib/store.js';
import { signOf, wordOf } from '../lib/states.js';
import { theme } from '../lib/theme.js';
import { css } from '../log/colors.js';
import { Runs } from './run_list.js';

/** How many rows are created in one frame. */
const STEP = 50;
/** From this many processes on, they can be filtered. */
const MANY = 8;

/** The processes that are chosen for the log; none means all. */
export function shownNames() {
  return named(lastLog(run.id).names).filter((name) => run.processes.has(name));
}

/** Show one more or one less process in the log. @param {string} name @param {boolean} isShown */
function tickName(name, isShown) {
  const chosen = lastLog(run.id).names ?? '';
  // What is left out of all is left out, whatever comes later.
  const isBut = !chosen || chosen.startsWith('!');
  const names = chosen.replace(/^!/, '').split(',').filter((one) => one !== name && run.processes.has(one));
  if (isShown !== isBut) names.push(name);
  const isAll = !names.length || names.length === run.processes.size;
  chooseNames(isAll ? '' : `${isBut ? '!' : ''}${names.join(',')}`);
}

/** Show the log of these processes, or of all. @param {string[]} names */
export function show(names) {
  const text = (names.length === run.processes.size ? [] : names).join(',');
  if (place.value.view === 'log') chooseNames(text);
  else goToLog({ names: text });
}

/** Where a process that waits is answered. @param {string} name */
const answerAddress = (name) => address({ run: run.id, view: 'terminal', values: { name, look: me.value?.role === 'admin' ? '0' : '' } });

export class Side {
  constructor() {
    this.list = h('ul', { class: 'names' });
    this.filter = /** @type {HTMLInputElement} */ (h('input', {
      type: 'search', class: 'field filter', placeholder: 'Filter  p', 'aria-label': 'Filter the processes', hidden: true,
      spellcheck: 'false', autocomplete: 'off', oninput: () => filter.set(this.filter.value),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.filterKey(event),
    }));
    this.all = h('button', { class: 'quiet', text: 'Show all in the log', hidden: true, onclick: () => chooseNames('') });
    this.element = h('nav', { class: 'side', 'aria-label': 'Runs and processes' },
      h('h2', { text: 'Runs' }), new Runs().list, h('h2', { text: 'Processes' }), this.filter, this.all, this.list);
    /** @type {Map<string, any>} */
    this.rows = new Map();
    this.again = atNextFrame(() => this.drawNames());
    place.watch(this.again);
    changes.watch(this.again);
    theme.watch(this.again);
    filter.watch(this.again);
  }

  /** @param {KeyboardEvent} event */
  filterKey(event) {
    if (event.key === 'Escape') {
      this.filter.value = '';
      filter.set('');
      this.filter.blur();
    } else if (event.key === 'Enter') {
      const names = [...run.processes.values()].filter(isWanted).map(({ name }) => name);
      if (names.length) show(names);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Begin to filter. */
  focusFilter() {
    if (this.filter.checkVisibility()) this.filter.focus();
  }

  /** @param {string} name */
  make(name) {
    const tick = /** @type {HTMLInputElement} */ (h('input', {
      type: 'checkbox', 'aria-label': `Show ${name} in the log`,
      onchange: () => tickName(name, tick.checked),
    }));
    const sign = h('span', { class: 'sign', 'aria-hidden': 'true' });
    const only = h('button', { class: 'quiet name-only', onclick: () => show([name]) });
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
    this.filter.hidden = run.processes.size < MANY && !filter.value;
    this.all.hidden = !names.length;
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
      row.element.hidden = !isWanted(process);
      const [mark, kind] = signOf(process);
      setText(row.sign, mark);
      setAttribute(row.sign, 'class', `sign kind-${kind}`);
      row.tick.checked = names.length === 0 || names.includes(name);
      setText(row.word, wordOf(process));
      setAttribute(row.word, 'class', `state-word kind-${kind}`);
      const asked = prompt(process);
      row.asks.hidden = asked === null;
      row.word.hidden = asked !== null;
      row.element.classList.toggle('asking', asked !== null);
      setAttribute(row.asks, 'title', asked);
      const label = labelOf(name);
      setText(row.only, label);
      setAttribute(row.only, 'title', `Only ${label === name ? name : `${label}, ${name}`} (${process.state})`);
      const color = css(process.color);
      if (row.color !== color) row.only.style.color = color;
      row.color = color;
    }
    if (made === STEP) this.again();
  }
}
