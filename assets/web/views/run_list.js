// The list of runs: active ones, and below them those that have ended.

import { get, query } from '../lib/api.js';
import { h, setAttribute, setText } from '../lib/dom.js';
import { address, place } from '../lib/router.js';
import { runs } from '../lib/store.js';
import { ms, short } from '../lib/time.js';

const STORE = 'tmo-ended';
/** Up to this many ended runs are shown unless the user folds them. */
const FEW = 5;

export class Runs {
  constructor() {
    /** When runs ended, in words, by their ids. @type {Map<string, string>} */ this.ends = new Map();
    this.fold = h('button', { class: 'quiet fold', onclick: () => this.toggle() });
    this.list = h('ul', { class: 'runs' });
    runs.watch(() => this.draw());
    place.watch(() => this.draw());
  }

  get ended() {
    return runs.value.filter((one) => one.state === 'over');
  }

  get isOpen() {
    const kept = localStorage.getItem(STORE);
    return kept ? kept === 'open' : this.ended.length <= FEW;
  }

  toggle() {
    localStorage.setItem(STORE, this.isOpen ? 'folded' : 'open');
    this.draw();
  }

  draw() {
    const { ended, isOpen } = this;
    for (const { id, state } of runs.value) if (state !== 'over') this.ends.delete(id);
    const shown = ended.filter((one) => isOpen || one.id === place.value.run);
    const hadFocus = document.activeElement === this.fold;
    setText(this.fold, `${isOpen ? '▾' : '▸'} Ended (${ended.length})`);
    setAttribute(this.fold, 'aria-expanded', String(isOpen));
    this.list.replaceChildren(
      ...runs.value.filter((one) => one.state !== 'over').map((one) => this.entry(one)),
      ...(ended.length ? [h('li', {}, this.fold)] : []),
      ...shown.map((one) => this.entry(one)));
    if (hadFocus) this.fold.focus();
    const unknown = shown.find((one) => !this.ends.has(one.id));
    if (unknown) this.read(unknown.id);
  }

  /** @param {any} one */
  entry({ id, title, root, state }) {
    return h('li', {}, h('a', {
      href: address({ run: id, view: 'overview', values: {} }), title: root ?? '',
      class: state === 'over' ? 'over' : '', 'aria-current': id === place.value.run ? 'true' : null,
    }, title, this.note(id)));
  }

  /** The note that distinguishes a run from others with the same name. @param {string} id */
  note(id) {
    const one = runs.value.find((other) => other.id === id);
    const began = one.started && runs.value.some((other) => other !== one && other.title === one.title) ? `since ${short(new Date(ms(one.started)))}` : '';
    const text = one.host ? `on ${one.host}` : one.state === 'over' ? this.ends.get(id) || 'ended' : [one.state === 'running' ? '' : one.state, began].filter(Boolean).join(' ');
    return text ? h('span', { class: 'dim when', text }) : null;
  }

  /** Read the time of a run's end from its last event. @param {string} id */
  async read(id) {
    this.ends.set(id, '');
    try {
      const { lines } = await get(`/r/${encodeURIComponent(id)}/api/lines${query({ events: true, before: 'end', limit: 1 })}`);
      const last = lines.at(-1);
      if (last) this.ends.set(id, `ended ${short(new Date(last.time))}`);
    } catch {
      // The list then shows no time.
    }
    this.draw();
  }
}
