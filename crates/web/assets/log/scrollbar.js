// The scroll bar of the whole journal, in bytes of output.

import { h, setAttribute } from '../lib/dom.js';

export class ScrollBar {
  /**
   * @param {(share: number) => void} ondrag called with a place between 0 and 1
   * @param {(event: KeyboardEvent) => void} onkey
   */
  constructor(ondrag, onkey) {
    this.thumb = h('div', { class: 'thumb' });
    this.element = h('div', {
      class: 'scrollbar', role: 'scrollbar', tabindex: '0', 'aria-controls': 'log-rows',
      'aria-orientation': 'vertical', 'aria-label': 'Place in the whole log', 'aria-valuemin': '0', 'aria-valuemax': '1000',
    }, this.thumb);
    this.share = 1;
    this.show(1);
    this.element.addEventListener('keydown', onkey);
    const at = (/** @type {PointerEvent} */ event) => {
      const box = this.element.getBoundingClientRect();
      return Math.min(1, Math.max(0, (event.clientY - box.top) / box.height));
    };
    this.element.addEventListener('pointerdown', (event) => {
      this.element.setPointerCapture(event.pointerId);
      event.preventDefault();
      this.show(at(event));
      ondrag(this.share);
    });
    this.element.addEventListener('pointermove', (event) => {
      if (!this.element.hasPointerCapture(event.pointerId)) return;
      this.show(at(event));
      ondrag(this.share);
    });
  }

  /** @param {number} share */
  show(share) {
    this.share = share;
    this.thumb.style.top = `calc(${(share * 100).toFixed(2)}% - ${(share * 36).toFixed(1)}px)`;
    setAttribute(this.element, 'aria-valuenow', String(Math.round(share * 1000)));
    setAttribute(this.element, 'aria-valuetext', `${Math.round(share * 100)} % of the log`);
  }
}
