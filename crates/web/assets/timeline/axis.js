// The times below the lanes.

import { h } from '../lib/dom.js';
import { clock } from '../lib/time.js';

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400].map((one) => one * 1000);
/** The least distance between two labels, in pixels. */
const DISTANCE = 90;

/** @param {import('./period.js').Bounds} bounds @param {number} width */
export function axisLabels({ from, until }, width) {
  const most = Math.max(1, Math.floor(width / DISTANCE));
  const step = STEPS.find((one) => (until - from) / one <= most) ?? Math.ceil((until - from) / most);
  const zone = new Date(from).getTimezoneOffset() * 60_000;
  const labels = [];
  for (let time = Math.ceil((from - zone) / step) * step + zone; time <= until; time += step) {
    const x = ((time - from) / (until - from)) * width;
    if (x > width - 30) break;
    const label = h('span', { text: step < 60_000 ? clock(new Date(time)) : clock(new Date(time)).slice(0, 5) });
    label.style.left = `${x.toFixed(1)}px`;
    labels.push(label);
  }
  return labels;
}
