// A tile for each process, if there are too many to see the whole table at once.

import { h, setAttribute, setText } from '../lib/dom.js';
import { isWanted } from '../lib/filter.js';
import { signOf, wordOf } from '../lib/states.js';
import { labelOf, run } from '../lib/store.js';

/** The number of processes from which tiles are shown. */
const FROM = 60;

export class Tiles {
  /** @param {(name: string) => void} onpick */
  constructor(onpick) {
    /** @type {Map<string, HTMLElement>} */ this.tiles = new Map();
    // Hidden from screen readers, as the table below has the same content as text.
    this.element = h('div', { class: 'tiles', 'aria-hidden': 'true', hidden: true, onclick: (/** @type {Event} */ event) => {
      const name = /** @type {HTMLElement} */ (event.target).dataset.name;
      if (name) onpick(name);
    } });
  }

  update() {
    this.element.hidden = run.processes.size < FROM;
    if (this.element.hidden) return;
    for (const [name, tile] of this.tiles) {
      if (run.processes.has(name)) continue;
      tile.remove();
      this.tiles.delete(name);
    }
    for (const [name, process] of run.processes) {
      let tile = this.tiles.get(name);
      if (!tile) {
        tile = h('span', { dataset: { name } });
        this.tiles.set(name, tile);
        this.element.append(tile);
      }
      const [mark, kind] = signOf(process);
      setText(tile, mark);
      tile.hidden = !isWanted(process);
      setAttribute(tile, 'class', `tile kind-${kind}`);
      setAttribute(tile, 'title', `${labelOf(name)}: ${wordOf(process)}`);
    }
  }
}
