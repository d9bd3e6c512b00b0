// The lives of a process: when each began, and when and how it ended.

import { get, query } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { goToLog } from '../lib/router.js';
import { run } from '../lib/store.js';
import { clock, full, hostTime, ms, span } from '../lib/time.js';

/** @typedef {{ life: number, start: any, end: any }} Life lines of the log; without an end, the life is still running */

/** How many entries are read. A life has up to three. */
const ENTRIES = 1000;
/** The signals that ask a process to end: HUP, INT, TERM. */
const POLITE = [1, 2, 15];
/** How many lives are listed at first. */
const FIRST = 12;

/**
 * The latest lives, newest first.
 * @param {string} id the run @param {string} name
 * @returns {Promise<Life[]>}
 */
export async function livesOf(id, name) {
  const page = await get(`/r/${id}/api/lines${query({ name, events: true, before: 'end', limit: ENTRIES })}`);
  /** @type {Life[]} */
  const lives = [];
  for (const line of page.lines) {
    if (line.name !== name) continue;
    if (line.event === 'start') lives.push({ life: line.life, start: line, end: null });
    const last = lives.at(-1);
    if (line.event === 'exit' && last && last.life === line.life) last.end = line;
  }
  return lives.reverse();
}

/** @param {any} end */
function ending(end) {
  if (!end) return 'running';
  return end.signal === undefined ? `exit ${end.code}` : `signal ${end.signal}`;
}

/** @param {string} cursor @param {string} text @param {string} time */
function moment(cursor, text, time) {
  const date = new Date(time);
  return h('button', {
    class: 'quiet link', text: clock(date), dataset: { cursor }, title: `${full(date)}: show in the log`,
    'aria-label': `${text} at ${clock(date)}: show in the log`, onclick: () => goToLog({ at: cursor }),
  });
}

export class Lives {
  constructor() {
    /** @type {Life[]} */ this.lives = [];
    this.isWhole = false;
    this.body = h('tbody');
    this.more = h('button', { class: 'quiet', onclick: () => { this.isWhole = true; this.draw(); } });
    this.element = h('section', { class: 'panel' },
      h('header', {}, h('h2', { text: 'Lives' })),
      h('table', { class: 'list' },
        h('thead', {}, h('tr', {}, ...['Life', 'Began', 'Ended', 'How', 'Ran for'].map((text) => h('th', { scope: 'col', text })))),
        this.body), this.more);
  }

  /** @param {Life[]} lives */
  show(lives) {
    this.lives = lives;
    this.element.hidden = !lives.length;
    this.draw();
  }

  draw() {
    const shown = this.isWhole ? this.lives : this.lives.slice(0, FIRST);
    const before = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.cursor : undefined;
    this.body.replaceChildren(...shown.flatMap((life, at) => (isOfEarlierRun(life, shown[at - 1]) ? [divider(), row(life)] : [row(life)])));
    if (before) /** @type {HTMLElement | null} */ (this.body.querySelector(`[data-cursor="${before}"]`))?.focus();
    this.more.hidden = shown.length === this.lives.length;
    this.more.textContent = `Show all ${this.lives.length}`;
  }
}

/** Whether the run of a life ended before the next newer one began: each run counts its lives from 1. @param {Life} life @param {Life | undefined} newer */
function isOfEarlierRun(life, newer) {
  const began = ms(run.state?.started ?? 0);
  const isOld = Date.parse(life.start.time) < began;
  return newer ? life.life >= newer.life || (isOld && Date.parse(newer.start.time) >= began) : isOld;
}

const divider = () => h('tr', { class: 'divider' }, h('th', { scope: 'rowgroup', colspan: '5', text: 'earlier run' }));

/** @param {Life} life */
function row({ life, start, end }) {
  const began = Date.parse(start.time);
  const isRunning = !end && began >= ms(run.state?.started ?? 0);
  const isBad = end && (end.signal === undefined ? end.code !== 0 : !POLITE.includes(end.signal));
  const isKnown = end || isRunning;
  return h('tr', {},
    h('td', { text: String(life) }),
    h('td', {}, moment(start.cursor, `Life ${life} began`, start.time)),
    h('td', {}, end ? moment(end.cursor, `Life ${life} ended`, end.time) : '–'),
    h('td', { class: isBad ? 'kind-bad' : '', text: isKnown ? ending(end) : 'not known' }),
    h('td', { class: 'number', text: isKnown ? span((end ? Date.parse(end.time) : hostTime()) - began) : '–' }));
}
