// The moment of the timeline at which the mouse or the keys point.

import { setAttribute, setText } from '../lib/dom.js';
import { bytes, clock } from '../lib/time.js';
import { promptOf } from './marks.js';
import { columnOf, timeOf } from './period.js';
import { HEIGHT, WEIGHTS } from './shapes.js';

/** How many marks are described at once. */
const MOST = 4;
/** How close a click must be to a mark, in pixels. */
const REACH = 6;

export class Cursor {
  /** @param {import('./timeline.js').Timeline} timeline */
  constructor(timeline) {
    this.timeline = timeline;
    /** @type {number | null} */ this.time = null;
    this.lane = 0;
    const { list } = timeline;
    list.addEventListener('pointermove', (event) => { if (event.pointerType === 'mouse') this.point(event); });
    list.addEventListener('pointerleave', () => { if (document.activeElement !== list) this.hide(); });
    list.addEventListener('blur', () => this.hide());
    list.addEventListener('click', (event) => {
      if (this.point(event)) this.open(true);
    });
    list.addEventListener('keydown', (event) => this.key(event));
  }

  /** @param {MouseEvent} event */
  point(event) {
    const { overlay, width, bounds, names } = this.timeline;
    const box = overlay.getBoundingClientRect();
    const x = event.clientX - box.left;
    const lane = Math.floor((event.clientY - box.top) / HEIGHT);
    if (x < 0 || x > width || lane < 0 || lane >= names.length) {
      this.hide();
      return false;
    }
    this.time = bounds.from + (x / width) * (bounds.until - bounds.from);
    this.lane = lane;
    this.show();
    return true;
  }

  hide() {
    this.time = null;
    this.show();
  }

  get name() {
    return this.timeline.names[this.lane] ?? '';
  }

  /** The marks of the lane that are near the moment. */
  near() {
    const { bounds, width, marks } = this.timeline;
    const reach = ((bounds.until - bounds.from) / width) * REACH;
    const time = this.time ?? 0;
    const prompt = promptOf(this.name);
    const all = [...(marks.of.get(this.name) ?? []), ...(prompt ? [prompt] : [])];
    return all.filter((mark) => WEIGHTS[mark.what] && Math.abs((mark === prompt ? Math.max(mark.time, bounds.from) : mark.time) - time) <= reach);
  }

  /** Open the log at the moment, or at the mark near it. @param {boolean} isClick */
  open(isClick) {
    if (this.time === null) return;
    const mark = this.near().sort((a, b) => (WEIGHTS[b.what] ?? 0) - (WEIGHTS[a.what] ?? 0))[0];
    const { bounds } = this.timeline;
    const time = isClick ? this.time : timeOf(bounds, columnOf(bounds, this.time));
    this.timeline.open(this.name, mark, time);
  }

  /** Go to the next mark of the lane. @param {number} direction */
  jump(direction) {
    const { bounds, marks } = this.timeline;
    const from = this.time ?? bounds.until;
    const all = (marks.of.get(this.name) ?? []).filter((mark) => WEIGHTS[mark.what] && mark.time >= bounds.from && mark.time <= bounds.until);
    const next = direction < 0 ? all.findLast((mark) => mark.time < from - 1) : all.find((mark) => mark.time > from + 1);
    if (next) this.time = next.time;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { bounds, names, list } = this.timeline;
    const step = (bounds.until - bounds.from) / bounds.columns;
    const at = this.time ?? bounds.until - step / 2;
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (by && event.shiftKey) this.jump(by);
    else if (by) this.time = Math.min(bounds.until, Math.max(bounds.from, this.time === null ? at : at + by * step));
    else if (event.key === 'ArrowUp') this.lane = Math.max(0, this.lane - 1);
    else if (event.key === 'ArrowDown') this.lane = Math.min(names.length - 1, this.lane + 1);
    else if (event.key === 'Home') this.time = bounds.from;
    else if (event.key === 'End') this.time = bounds.until - step / 2;
    else if (event.key === 'Enter') this.open(false);
    else if (event.key === 'Escape' && this.time !== null) this.time = null;
    else return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key.startsWith('Arrow')) this.time ??= at;
    const y = this.lane * HEIGHT;
    list.scrollTop = Math.min(y, Math.max(list.scrollTop, y + HEIGHT - list.clientHeight));
    this.show();
  }

  /** Draw the line, and describe the marks near it. */
  show() {
    const { bounds, width, line, tip, list, lanes, overlay } = this.timeline;
    const { time } = this;
    const isShown = time !== null && time >= bounds.from && time <= bounds.until;
    line.hidden = !isShown;
    tip.hidden = !isShown;
    setAttribute(list, 'aria-valuemax', String(bounds.columns));
    setAttribute(list, 'aria-valuenow', String(isShown ? columnOf(bounds, time) : bounds.columns));
    setAttribute(list, 'aria-valuetext', isShown ? '' : 'no moment chosen');
    if (!isShown) return;
    const column = columnOf(bounds, time);
    const name = this.name;
    const printed = lanes.get(name)?.bytes[column] ?? 0;
    const [from, until] = [timeOf(bounds, column), timeOf(bounds, column + 1)].map((one) => clock(new Date(one)));
    const marks = this.near();
    const more = marks.length > MOST ? [`and ${marks.length - MOST} more`] : [];
    const words = [
      `${name} · ${from === until ? from : `${from} – ${until}`} · ${printed ? `${bytes(printed)} printed` : 'nothing printed'}`,
      ...marks.slice(0, MOST).map((mark) => `${clock(new Date(mark.time))} ${mark.text}`.slice(0, 120)), ...more,
    ];
    setText(tip, words.join('\n'));
    setAttribute(list, 'aria-valuetext', words.join(', '));
    const x = ((time - bounds.from) / (bounds.until - bounds.from)) * width;
    line.style.left = `${x.toFixed(1)}px`;
    const box = tip.parentElement?.getBoundingClientRect();
    const area = overlay.getBoundingClientRect();
    if (!box) return;
    const left = area.left - box.left + x;
    const isRight = left > box.width / 2;
    tip.style.left = isRight ? 'auto' : `${left + 12}px`;
    tip.style.right = isRight ? `${box.width - left + 12}px` : 'auto';
    const y = area.top - box.top + this.lane * HEIGHT;
    tip.style.top = `${Math.max(0, y + HEIGHT + 4)}px`;
  }
}
