// The list of runs: active ones, by host if there are several, and below them those that have ended.

import { get, query } from '../lib/api.js';
import { h, setAttribute, setText } from '../lib/dom.js';
import { hosts, lostHost, onlyHost } from '../lib/hosts.js';
import { address, place } from '../lib/router.js';
import { runs } from '../lib/store.js';
import { ms, short } from '../lib/time.js';

const STORE = 'tmo-ended';
/** Up to this many ended runs are shown unless the user folds them. */
const FEW = 5;

/** The heading of a host, which shows only its runs. @param {import('../lib/hosts.js').Host} host */
function heading({ name, link, since, why }) {
  const isOnly = onlyHost.value === name;
  const state = link === 'lost' ? `lost since ${short(new Date(ms(since ?? 0)))}` : link === 'connecting' ? 'connecting …' : '';
  return h('li', { class: `host ${link}` }, h('button', {
    class: 'quiet', 'aria-pressed': String(isOnly), title: why ?? `Only the runs of ${name}`, onclick: () => onlyHost.set(isOnly ? '' : name),
  }, name, state ? h('span', { class: 'dim when', text: state }) : null));
}

export class Runs {
  constructor() {
    /** When runs ended, in words, by their ids. @type {Map<string, string>} */ this.ends = new Map();
    this.fold = h('button', { class: 'quiet fold', onclick: () => this.toggle() });
    this.list = h('ul', { class: 'runs' });
    runs.watch(() => this.draw());
    for (const signal of [place, hosts, onlyHost]) signal.watch(() => this.draw());
  }

  get ended() {
    return this.listed.filter((one) => one.state === 'over');
  }

  /** The runs of the host that is chosen, or of all. */
  get listed() {
    const here = hosts.value.find(({ link }) => link === 'here')?.name ?? '';
    return runs.value.filter((one) => !onlyHost.value || (one.at ?? here) === onlyHost.value);
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
    const active = this.listed.filter((one) => one.state !== 'over');
    const of = (/** @type {import('../lib/hosts.js').Host} */ { name, link }) => active.filter((one) => (one.at ?? '') === (link === 'here' ? '' : name));
    const isHere = hosts.value.some(({ link }) => link === 'here');
    this.list.replaceChildren(
      ...(isHere ? [] : active.filter((one) => !one.at).map((one) => this.entry(one))),
      ...hosts.value.flatMap((host) => [heading(host), ...of(host).map((one) => this.entry(one))]),
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
      class: `${state === 'over' ? 'over' : ''}${lostHost(id) ? ' lost' : ''}${hosts.value.length ? ' of-host' : ''}`, 'aria-current': id === place.value.run ? 'true' : null,
    }, title, this.note(id)));
  }

  /** The note that distinguishes a run from others with the same name. @param {string} id */
  note(id) {
    const one = runs.value.find((other) => other.id === id);
    const began = one.started && runs.value.some((other) => other !== one && other.title === one.title && other.at === one.at) ? `since ${short(new Date(ms(one.started)))}` : '';
    const host = one.at && one.state === 'over' ? `${one.at}, ` : '';
    const text = one.host ? `on ${one.host}` : one.state === 'over' ? host + (this.ends.get(id) || 'ended') : [one.state === 'running' ? '' : one.state, began].filter(Boolean).join(' ');
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
