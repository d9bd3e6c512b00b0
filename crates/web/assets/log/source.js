// Reads pages of the journal.

import { get, getText, post, query } from '../lib/api.js';
import { isShown } from './rows.js';

/** How many lines a page has. */
export const PAGE = 200;

/** Compare two cursors (`12.340`); negative if `a` comes first. @param {string} a @param {string} b */
export function compare(a, b) {
  const [record, byte] = a.split('.').map(Number);
  const [otherRecord, otherByte] = b.split('.').map(Number);
  return record - otherRecord || byte - otherByte;
}

export class Source {
  /** @param {string} run */
  constructor(run) {
    this.run = run;
    /** @type {string[]} */ this.names = [];
    /** Only lines that match. @type {{ grep: string, 'ignore-case': boolean } | null} */
    this.only = null;
    /** Expressions for lines that are left out. @type {string[]} */
    this.hidden = [];
    /** Lines before this cursor are hidden. @type {string | null} */
    this.floor = null;
  }

  /** What the lines must match: a request has one expression, and the search comes first. */
  get filter() {
    return this.only ?? (this.hidden.length ? { grep: this.hidden.join('|'), invert: true } : null);
  }

  /** Whether a line is left out: a request with a search does not leave it out. @param {any} line */
  isLeftOut(line) {
    const rows = (line.text ?? '').split('\n');
    return line.event === undefined && this.hidden.some((one) => rows.some((/** @type {string} */ row) => new RegExp(one).test(row)));
  }

  /** @param {object} values @param {AbortSignal} [signal] */
  async lines(values, signal) {
    const { filter } = this;
    const all = { styles: true, limit: PAGE, name: this.names, ...(filter ?? {}), step: !!filter, ...values };
    const answer = await get(`/r/${this.run}/api/lines${query(all)}`, signal);
    if (this.only) answer.lines = answer.lines.filter((/** @type {any} */ line) => !this.isLeftOut(line));
    return answer;
  }

  /** The lines before a cursor, or before the end. @param {string} before @param {AbortSignal} [signal] @param {number} [limit] */
  async before(before, signal, limit = PAGE) {
    /** @type {any[]} */
    let lines = [];
    let at = before;
    let answer;
    // Each request of a search reads only a few MiB.
    do {
      answer = await this.lines({ before: at, after: this.floor, limit }, signal);
      lines = [...answer.lines, ...lines];
      at = answer.previous ?? at;
    } while (this.filter && answer.more && lines.length < limit);
    return { lines, more: answer.more, at };
  }

  /** The lines after a cursor; the first lines without one. @param {string | null} after @param {AbortSignal} [signal] @param {object} [values] */
  async after(after, signal, values = {}) {
    /** @type {any[]} */
    let lines = [];
    let at = after ?? this.floor;
    let answer;
    let isReset = false;
    do {
      answer = await this.lines({ after: at, ...values }, signal);
      isReset ||= answer.reset;
      lines = [...lines, ...answer.lines];
      at = answer.next ?? at;
    } while (this.filter && answer.more && lines.length < PAGE);
    return { lines, more: answer.more, at, reset: isReset };
  }

  /** The next match in a direction. @param {object} pattern @param {string} from @param {boolean} up @param {AbortSignal} signal */
  async find(pattern, from, up, signal) {
    let at = from;
    for (;;) {
      const place = up ? { before: at, after: this.floor } : { after: at };
      const answer = await this.lines({ invert: false, ...pattern, ...place, limit: this.hidden.length ? PAGE : 1, step: true, styles: false }, signal);
      const isHit = (/** @type {any} */ line) => isShown(line) && !this.isLeftOut(line);
      const hit = up ? answer.lines.findLast(isHit) : answer.lines.find(isHit);
      if (hit) return hit;
      const next = up ? answer.previous : answer.next;
      if (!answer.more || !next || next === at) return null;
      at = next;
    }
  }

  /** How many lines there are, and how many of them before a cursor. @param {string | null} after @param {AbortSignal} [signal] */
  count(after, signal) {
    return get(`/r/${this.run}/api/count${query({ after, name: this.names })}`, signal);
  }

  /**
   * The query for the text of the whole log, or of the lines that are shown of a range.
   * @param {[string, string] | null} range first and last line @param {'plain' | 'names' | 'times'} form
   */
  ofText(range, form) {
    const shown = range ? { from: range[0], to: range[1], ...this.only, hide: this.hidden.join('|') } : {};
    return query({ name: this.names, form, ...shown });
  }

  /** @param {[string, string]} range @param {'plain' | 'names' | 'times'} form @param {number} most */
  text(range, form, most) {
    return getText(`/r/${this.run}/text${this.ofText(range, form)}`, most);
  }

  /** Have the browser download the log or a range, in the format of `tmo logs`. @param {[string, string] | null} range */
  async download(range) {
    const { ticket } = await post(`/r/${this.run}/ticket`, { query: this.ofText(range, 'names').slice(1) });
    const link = document.createElement('a');
    link.href = `/download/${ticket}`;
    link.download = '';
    link.click();
  }

  /** The place of a cursor in bytes of output. @param {string | null} after @param {AbortSignal} [signal] */
  extent(after, signal) {
    return get(`/r/${this.run}/api/extent${query({ after, name: this.names })}`, signal);
  }
}
