// A match of the search over everything: run, process and time, and the line between its neighbours.

import { get, query } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { escaped } from '../lib/pattern.js';
import { address } from '../lib/router.js';
import { full } from '../lib/time.js';
import { isShown, plain } from '../log/rows.js';

/** How many characters of a line are shown, and how many of them come before the match. */
const LONGEST = 400;
const BEFORE = 80;
/** How many entries are fetched on each side to find one that is shown. */
const NEAR = 3;

export class HitRow {
  /** @param {import('./everything.js').Hit} hit @param {import('./everything.js').Wish} wish */
  constructor(hit, wish) {
    this.hit = hit;
    this.isWhole = false;
    const { run, line } = hit;
    const values = { at: line.cursor, q: wish.text, regex: wish.isRegex ? '1' : '' };
    this.before = h('span', { class: 'near' });
    this.after = h('span', { class: 'near' });
    this.element = h('li', {},
      h('a', { class: 'hit', href: address({ run: run.id, view: 'log', values }) },
        h('span', { class: 'hit-head' }, h('b', { text: run.title }), h('span', { text: line.name ?? 'tmo' }),
          h('time', { class: 'dim', text: full(new Date(line.time)) })),
        h('code', {}, this.before, h('span', { class: 'hit-line' }, ...marked(plain(line), wish)), this.after)));
  }

  /** Fetch the lines before and after. @param {AbortSignal} signal */
  async complete(signal) {
    if (this.isWhole) return;
    this.isWhole = true;
    const { run, line } = this.hit;
    const near = (/** @type {object} */ values) => get(`/r/${run.id}/api/lines${query({ limit: NEAR, ...values })}`, signal);
    try {
      const [above, below] = await Promise.all([near({ before: line.cursor }), near({ after: line.cursor })]);
      this.before.textContent = words(above.lines.filter(isShown).at(-1));
      this.after.textContent = words(below.lines.filter(isShown)[0]);
    } catch {
      this.isWhole = false;
    }
  }
}

/** @param {any} line */
const words = (line) => (line ? plain(line).slice(0, LONGEST) : '');

/** @param {import('./everything.js').Wish} wish */
function expression({ text, isCased, isRegex }) {
  try {
    return new RegExp(isRegex ? text : escaped(text), isCased ? 'g' : 'gi');
  } catch {
    // The server accepts some expressions that the browser does not.
    return null;
  }
}

/**
 * A part of a line with its matches marked.
 * @param {string} text @param {import('./everything.js').Wish} wish
 */
function marked(text, wish) {
  const matches = expression(wish);
  const first = matches ? text.search(matches) : 0;
  const begin = first > LONGEST - BEFORE ? first - BEFORE : 0;
  const shown = text.slice(begin, begin + LONGEST);
  const parts = /** @type {(Node | string)[]} */ (begin ? ['… '] : []);
  let at = 0;
  for (const match of matches ? shown.matchAll(matches) : []) {
    if (!match[0]) continue;
    parts.push(shown.slice(at, match.index), h('mark', { text: match[0] }));
    at = match.index + match[0].length;
  }
  parts.push(shown.slice(at), begin + LONGEST < text.length ? ' …' : '');
  return parts;
}
