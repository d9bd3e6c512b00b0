// Compares the output of a process's last life with its last good ones.

import { get } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { goToLog } from '../lib/router.js';
import { run } from '../lib/store.js';
import { clock } from '../lib/time.js';

/** A panel that compares only when it is opened, as the server may have to read much. */
export class Changed {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.body = h('div');
    const details = /** @type {HTMLDetailsElement} */ (h('details', { ontoggle: () => { if (details.open) this.read(); } },
      h('summary', { text: 'What the last life printed that good ones did not' }), this.body));
    this.details = details;
    this.element = h('section', { class: 'panel' }, h('header', {}, h('h2', { text: 'What changed' })), details);
  }

  /** Note that a life has begun or ended. */
  update() {
    if (this.details.open) this.read();
  }

  async read() {
    if (!this.body.childElementCount) this.body.replaceChildren(h('p', { class: 'dim', text: 'comparing …' }));
    try {
      const compared = await get(`/r/${run.id}/api/processes/${encodeURIComponent(this.name)}/compare`);
      this.body.replaceChildren(...content(compared));
    } catch (error) {
      this.body.replaceChildren(h('p', { class: 'kind-bad', text: /** @type {Error} */ (error).message }));
    }
  }
}

/** @param {any} life */
function described(life) {
  const began = clock(new Date(life.started));
  return `life ${life.life} (${life.ended ? `${began} – ${clock(new Date(life.ended))}` : `since ${began}`})`;
}

/** @param {any} compared */
function content(compared) {
  const { life, good, alike } = compared;
  if (!life) return [h('p', { text: 'It has not run yet.' })];
  if (!good.length) {
    const earlier = life.life === 1 ? 'No earlier life went well' : 'Every earlier life failed or was stopped';
    return [h('p', { text: `${earlier}, so there is nothing to compare with.` })];
  }
  const others = good.length === 1 ? described(good[0]) : `the last ${good.length} good ones, the newest of them ${described(good[0])}`;
  return [
    h('p', { text: `This compares ${described(life)} with ${others}. Lines that differ in numbers, times and ids only are one.` }),
    alike ? h('p', { text: `It ended like ${described(alike)}.` }) : null,
    compared.is_cut ? h('p', { class: 'dim', text: 'It has printed very much; only the beginning was compared.' }) : null,
    h('div', { class: 'sides' },
      side(`Only life ${life.life} printed`, '+', compared.new), side(`Only life ${good[0].life} printed`, '−', compared.missing)),
  ].filter((part) => part !== null);
}

/** @param {string} title @param {string} sign @param {any[]} lines */
function side(title, sign, lines) {
  return h('div', { class: sign === '+' ? 'side-new' : 'side-missing' }, h('h3', { text: title }),
    lines.length ? h('ol', { class: 'matches' }, ...lines.map((line) => h('li', {},
      h('button', {
        class: 'quiet link', text: clock(new Date(line.time)), 'aria-label': `Show the line of ${clock(new Date(line.time))} in the log`,
        onclick: () => goToLog({ at: line.cursor }),
      }),
      h('code', { text: `${sign} ${line.text}`, title: line.text }),
      line.count > 1 ? h('span', { class: 'dim', text: `× ${line.count.toLocaleString('en')}` }) : null)))
      : h('p', { class: 'dim', text: 'nothing else' }));
}
