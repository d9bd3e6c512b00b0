// The input of the search over everything, in the header of the page.

import { h, svg } from '../lib/dom.js';
import { go, keep, place } from '../lib/router.js';

/** How long the text must be unchanged before the search begins, in milliseconds. */
const PAUSE = 250;

export class SearchField {
  constructor() {
    this.input = /** @type {HTMLInputElement} */ (h('input', {
      type: 'search', class: 'everywhere', placeholder: 'Search everything  e', 'aria-label': 'Search everything',
      spellcheck: 'false', autocomplete: 'off',
      oninput: () => {
        clearTimeout(this.pause);
        this.pause = setTimeout(() => this.search(), PAUSE);
      },
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
    }));
    /** @type {ReturnType<typeof setTimeout> | undefined} */ this.pause = undefined;
    this.open = h('button', { class: 'quiet everywhere-open', 'aria-label': 'Open the search', onclick: () => this.focus() });
    this.open.append(svg('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, svg('path', { d: 'M10.5,10.5 15,15M7,2a5,5 0 1 0 .01,0z' })));
    place.watch(({ view, values }) => {
      if (view === 'search' && document.activeElement !== this.input) this.input.value = values.q ?? '';
    });
  }

  focus() {
    // A small screen has room for the input only on the page of the search.
    if (!this.input.checkVisibility()) go({ view: 'search', values: {} });
    setTimeout(() => this.input.focus());
  }

  search() {
    clearTimeout(this.pause);
    const { view, values } = place.value;
    const text = this.input.value;
    const isThere = view === 'search';
    if (isThere ? text === (values.q ?? '') : !text) return;
    // What is typed on is one step for Back.
    if (isThere) {
      keep({ q: text });
      place.tell();
    } else go({ view: 'search', values: { q: text } });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === 'Enter') this.search();
    else if (event.key === 'Escape') this.input.blur();
    else if (event.key === 'ArrowDown') /** @type {HTMLElement | null} */ (document.querySelector('a.hit'))?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
