// The unfinished lines at the end of the log, such as prompts and progress bars.

import { h } from '../lib/dom.js';
import { run, unfinished } from '../lib/store.js';
import { textOf } from '../lib/asking.js';
import { row } from './rows.js';

export class Unfinished {
  /** @param {() => boolean} isAtEnd whether the end of the log is shown, unfiltered @param {() => import('./source.js').Source} source */
  constructor(isAtEnd, source) {
    this.isAtEnd = isAtEnd;
    this.source = source;
    /** @type {any[]} */ this.lines = [];
    this.onchange = () => {};
    this.element = h('div', { class: 'rows unfinished' });
    this.end = unfinished.watch(() => this.update(false));
  }

  /**
   * Update the lines. A line that has been finished stays until the log is fetched, so that it is never missing.
   * @param {boolean} isFetched
   */
  update(isFetched) {
    const ended = isFetched ? [] : this.lines.filter((line) => run.unfinished.every((one) => one.name !== line.name));
    const source = this.source();
    const lines = this.isAtEnd() ? [...ended, ...run.unfinished] : [];
    const chosen = lines.filter((line) => (!source.names.length || source.names.includes(line.name)) && !source.isLeftOut({ text: textOf(line) }));
    const isSame = chosen.length === this.lines.length && chosen.every((line, at) => line === this.lines[at]);
    if (isSame) return;
    this.lines = chosen;
    this.element.replaceChildren(...chosen.map((line) => {
      const element = row({ ...line, text: textOf(line), cursor: '' });
      element.classList.add('block');
      return element;
    }));
    this.onchange();
  }
}
