// The shapes of a lane, as the data of SVG paths. All lengths are pixels.

/** @typedef {import('./marks.js').What} What */

export const HEIGHT = 22;
const BASE = HEIGHT - 3;
const TOP = 3;
/** Marks closer than this are drawn as one. */
const SLOT = 9;

/** The heaviest of several marks in one place is drawn; marks without a weight are never drawn. @type {Partial<Record<What, number>>} */
export const WEIGHTS = { failed: 7, crash: 6, gap: 5, flag: 4, end: 3, skipped: 3, start: 2 };

/** The kinds of shapes. All shapes of a kind are one path. */
export const KINDS = /** @type {const} */ (['start', 'end', 'flag', 'gap', 'crash']);

/** @type {Partial<Record<What, typeof KINDS[number]>>} */
const KIND_OF = { start: 'start', end: 'end', skipped: 'end', flag: 'flag', gap: 'gap', crash: 'crash', failed: 'crash' };

/** @type {Record<typeof KINDS[number], (x: number) => string>} */
const SHAPES = {
  start: (x) => `M${x - 3},6v10l8,-5z`,
  end: (x) => `M${x - 3},8h6v6h-6z`,
  flag: (x) => `M${x - 3},17v-13h8l-2,3 2,3h-6v7z`,
  gap: (x) => `M${x - 4},12h2v2h-2zm3,0h2v2h-2zm3,0h2v2h-2z`,
  crash: (x) => `M${x},9l3,-3 2,2 -3,3 3,3 -2,2 -3,-3 -3,3 -2,-2 3,-3 -3,-3 2,-2z`,
};

/** Bars for the amount of output, scaled to the largest. @param {number[]} bytes @param {number} width */
export function bars(bytes, width) {
  const most = Math.sqrt(Math.max(1, ...bytes));
  const step = width / bytes.length;
  const bar = Math.max(1, step - 1).toFixed(2);
  let path = '';
  for (let at = 0; at < bytes.length; at += 1) {
    if (!bytes[at]) continue;
    const height = Math.max(2, (Math.sqrt(bytes[at]) / most) * (BASE - TOP)).toFixed(1);
    path += `M${(at * step).toFixed(2)},${BASE}v-${height}h${bar}v${height}z`;
  }
  return path;
}

/** Where a process ran. @param {[number, number][]} spans @param {(time: number) => number} place */
export function lines(spans, place) {
  return spans.map(([from, until]) => `M${place(from).toFixed(1)},${BASE}H${Math.max(place(until), place(from) + 1).toFixed(1)}`).join('');
}

/**
 * The marks of a lane by kind.
 * @param {import('./marks.js').Mark[]} marks in the order of time @param {(time: number) => number} place @param {number} width
 */
export function signs(marks, place, width) {
  /** @type {Map<number, { x: number, what: What }>} */
  const slots = new Map();
  for (const { time, what } of marks) {
    const x = Math.round(place(time));
    if (x < 0 || x > width || !WEIGHTS[what]) continue;
    const slot = Math.floor(x / SLOT);
    const other = slots.get(slot);
    if (!other || (WEIGHTS[what] ?? 0) >= (WEIGHTS[other.what] ?? 0)) slots.set(slot, { x, what });
  }
  /** @type {Record<string, string>} */
  const paths = Object.fromEntries(KINDS.map((kind) => [kind, '']));
  for (const { x, what } of slots.values()) {
    const kind = KIND_OF[what];
    if (kind) paths[kind] += SHAPES[kind](Math.min(width - 5, Math.max(4, x)));
  }
  return paths;
}

/** A prompt that waits: a ring at its time. @param {number} x */
export function ring(x) {
  return `M${x - 4},11a4,4 0 1 0 8,0a4,4 0 1 0 -8,0z`;
}
