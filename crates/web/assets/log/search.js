// The search in the log: its input, the number and places of the matches, and the keys between them.

import { h, setAttribute, setText } from '../lib/dom.js';
import { escaped } from '../lib/pattern.js';
import { keep } from '../lib/router.js';
import { head } from '../lib/store.js';
import { everySecond } from '../lib/visible.js';
import { Matches } from './matches.js';
import { isShown } from './rows.js';
import { Ticks } from './ticks.js';

/** How long the text must be unchanged before its matches are counted, in milliseconds. */
const PAUSE = 300;
/** For this long after the log jumped to a match by itself, Enter only confirms that match, in milliseconds. */
const CONFIRMS = 1500;

export class Search {
  /** @param {import('./pane.js').Pane} pane @param {() => string | undefined} current the cursor of the selected line */
  constructor(pane, current) {
    this.pane = pane;
    this.current = current;
    this.isRegex = false;
    this.isOnly = false;
    this.text = '';
    /** Whether the log jumps to a match once typing has paused. */
    this.isTyped = false;
    /** When the log last jumped so. */
    this.arrived = -Infinity;
    /** @type {AbortController | null} */ this.finding = null;
    this.matches = new Matches(pane.source.run, (line) => isShown(line) && !pane.source.isLeftOut(line), () => this.showMatches());
    /** Matches are counted up to this head of the journal. */
    this.counted = 0;
    this.ticks = new Ticks();
    pane.position.bar.element.append(this.ticks.element);

    this.input = /** @type {HTMLInputElement} */ (h('input', {
      type: 'search', class: 'find', placeholder: 'Search the log  /', 'aria-label': 'Search the log',
      spellcheck: 'false', autocomplete: 'off',
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.typed(event),
      oninput: () => {
        this.isTyped = true;
        this.changed();
      },
    }));
    const toggle = (/** @type {string} */ text, /** @type {string} */ title, /** @type {() => void} */ work) =>
      h('button', { class: 'toggle find-toggle', 'aria-pressed': 'false', text, title, onclick: work });
    this.regex = toggle('.*', 'Regular expression', () => { this.isRegex = !this.isRegex; this.changed(); });
    this.only = toggle('Only matches', 'Hide the lines that do not match', () => { this.isOnly = !this.isOnly; this.changed(); });
    this.older = h('button', { class: 'act', 'aria-label': 'Older match', title: 'Older match (n)', text: '↑', onclick: () => this.find(true) });
    this.newer = h('button', { class: 'act', 'aria-label': 'Newer match', title: 'Newer match (N)', text: '↓', onclick: () => this.find(false) });
    this.status = h('span', { class: 'dim find-status', role: 'status' });
    this.parts = [this.input, this.regex, this.only, this.older, this.newer, this.status];
    this.end = everySecond(() => this.countNew());
  }

  close() {
    this.end();
    this.finding?.abort();
    clearTimeout(this.pause);
    this.matches.stop();
    if ('highlights' in CSS) CSS.highlights.delete('find');
  }

  /** @param {string} text */
  say(text) {
    setText(this.status, text);
  }

  /** @param {string} text @param {boolean} [isRegex] */
  set(text, isRegex = false) {
    this.isRegex = isRegex;
    this.input.value = text;
    this.isTyped = false;
    this.changed();
  }

  /** Search for a text. @param {string} text */
  look(text) {
    this.set(text);
    this.find(true);
  }

  /** The pattern of the search; null without one. */
  pattern() {
    if (!this.text) return null;
    const ignore = this.text === this.text.toLowerCase();
    return { grep: this.isRegex ? this.text : escaped(this.text), 'ignore-case': ignore };
  }

  changed() {
    this.text = this.input.value;
    this.finding?.abort();
    setAttribute(this.regex, 'aria-pressed', String(this.isRegex));
    setAttribute(this.only, 'aria-pressed', String(this.isOnly));
    keep({ q: this.text, regex: this.text && this.isRegex ? '1' : '' });
    this.say('');
    const only = this.isOnly ? this.pattern() : null;
    if (JSON.stringify(only) !== JSON.stringify(this.pane.source.only)) {
      this.pane.source.only = only;
      this.pane.reset();
    }
    this.highlight();
    this.countLater();
  }

  /** Count the matches once typing has paused. */
  countLater() {
    clearTimeout(this.pause);
    this.matches.stop();
    this.ticks.show([]);
    if (this.text) this.pause = setTimeout(() => this.count(), PAUSE);
  }

  async count() {
    const pattern = this.pattern();
    if (!pattern) return;
    if (this.isTyped) this.arrive();
    const { names, floor } = this.pane.source;
    this.counted = head.value;
    this.matches.count({ ...pattern, name: names, after: floor });
    try {
      await this.ticks.measure(this.pane.source.run, names);
      this.showMatches();
    } catch {
      // The search works without ticks.
    }
  }

  /** Count the matches in output since the last count. */
  countNew() {
    if (!this.text || this.counted === head.value) return;
    this.counted = head.value;
    this.matches.goOn();
  }

  showMatches() {
    this.ticks.show(this.matches.hits.map((hit) => hit.time));
    const at = this.matches.indexOf(this.current());
    const { words, problem } = this.matches;
    if (problem) return this.say(problem);
    return this.say(at ? `${at.toLocaleString('en')}/${words}` : { 0: 'no match', 1: '1 matching line' }[words] ?? `${words} matching lines`);
  }

  /** @param {KeyboardEvent} event */
  typed(event) {
    if (event.key === 'Enter') {
      const isThere = performance.now() - this.arrived < CONFIRMS;
      if (!isThere || event.shiftKey) this.find(!event.shiftKey);
      this.arrived = -Infinity;
    }
    else if (event.key === 'Escape') {
      this.isOnly = false;
      this.set('', this.isRegex);
      this.pane.view.focus();
    } else return;
    event.preventDefault();
  }

  /** Go to the next match, anywhere in the log. @param {boolean} up */
  find(up) {
    const at = this.pane.follows.value ? null : this.current();
    const from = at ?? (this.pane.follows.value ? 'end' : this.pane.firstVisible() ?? 'end');
    if (from === 'end' && !up) return this.say('no newer match');
    return this.seek((pattern, signal) => this.pane.source.find(pattern, from, up, signal), up ? 'no older match' : 'no newer match');
  }

  /** Go to the nearest match: the current line or one before it, otherwise one after it. */
  async arrive() {
    const { pane } = this;
    const seen = pane.place.now()?.cursor;
    const at = pane.follows.value ? null : seen && seen === this.current() ? seen : pane.lastVisible();
    const next = at ? pane.lines[pane.lines.findIndex((line) => line.cursor === at) + 1]?.cursor : null;
    const from = next ?? (at && pane.loaded.moreDown ? at : 'end');
    const isThere = await this.seek(async (pattern, signal) => {
      const older = await pane.source.find(pattern, from, true, signal);
      return older ?? (at ? pane.source.find(pattern, at, false, signal) : null);
    }, 'no match');
    if (isThere) this.arrived = performance.now();
  }

  /**
   * Go to the match that `look` finds.
   * @param {(pattern: object, signal: AbortSignal) => Promise<any>} look @param {string} none the message if there is no match
   * @returns {Promise<boolean>} whether there is one
   */
  async seek(look, none) {
    const pattern = this.pattern();
    if (!pattern) return false;
    this.isTyped = false;
    this.finding?.abort();
    const finding = new AbortController();
    this.finding = finding;
    this.say('searching …');
    try {
      const hit = await look(pattern, finding.signal);
      if (!hit) {
        this.say(none);
        return false;
      }
      await this.pane.show(hit.cursor);
      this.showMatches();
      return !finding.signal.aborted;
    } catch (error) {
      if (!finding.signal.aborted) this.say(/** @type {Error} */ (error).message);
      return false;
    }
  }

  /** Mark the matches that are on the page. */
  highlight() {
    if (!('highlights' in CSS)) return;
    CSS.highlights.delete('find');
    const pattern = this.pattern();
    if (!pattern) return;
    let expression;
    try {
      expression = new RegExp(pattern.grep, pattern['ignore-case'] ? 'gi' : 'g');
    } catch {
      return;
    }
    const ranges = [];
    for (const cell of this.pane.rows.querySelectorAll('.text')) {
      const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        for (const match of (node.nodeValue ?? '').matchAll(expression)) {
          if (!match[0]) continue;
          const range = new Range();
          range.setStart(node, match.index);
          range.setEnd(node, match.index + match[0].length);
          ranges.push(range);
        }
      }
    }
    CSS.highlights.set('find', new Highlight(...ranges));
  }
}
