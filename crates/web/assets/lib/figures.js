// The resource use of the processes of the watched run: the last minutes, and the last hour or day while their view
// is open.

import { get, query } from './api.js';
import { Ring } from './ring.js';
import { hostTime } from './time.js';

/** One sample a second. */
export const seconds = new Ring(1, 150);
/** One sample in ten seconds. */
export const tens = new Ring(10, 360);
/** One sample in half a minute. */
export const halves = new Ring(30, 2880);

/** The run of these samples. @type {string | null} */
let run = null;

/** Forget all samples; fetch those of this run. @param {string | null} id */
export function beginFigures(id) {
  run = id;
  seconds.clear();
  tens.clear();
  halves.clear();
}

/** Fetch the samples that this page does not have yet. @param {Ring} ring @param {() => void} onchange */
export async function fetchFigures(ring, onchange) {
  if (!run || document.hidden) return;
  const id = run;
  const after = ring === seconds ? 0 : ring.last;
  try {
    const answer = await get(`/r/${id}/figures${query({ interval: ring.interval, after })}`);
    if (id !== run) return;
    ring.fill(answer);
    onchange();
  } catch {
    // New samples are shown all the same.
  }
}

/** @param {any} frame */
export function takeFigures(frame) {
  seconds.push(frame.number, frame.processes, hostTime());
}
