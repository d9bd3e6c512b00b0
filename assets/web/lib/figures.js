// What the processes of the watched run use: the last minutes, and the last hour while somebody looks at it.

import { get, query } from './api.js';
import { Ring } from './ring.js';
import { hostTime } from './time.js';

/** One sample a second. */
export const seconds = new Ring(1, 150);
/** One sample in ten seconds. */
export const tens = new Ring(10, 360);

/** The run they belong to. @type {string | null} */
let run = null;

/** Forget all samples; fetch those of this run. @param {string | null} id */
export function beginFigures(id) {
  run = id;
  seconds.clear();
  tens.clear();
}

/** Fetch the samples that this page has not seen. @param {Ring} ring @param {() => void} onchange */
export async function fetchFigures(ring, onchange) {
  if (!run || document.hidden) return;
  const id = run;
  const after = ring === tens ? ring.last : 0;
  try {
    const answer = await get(`/r/${id}/figures${query({ interval: ring.interval, after })}`);
    if (id !== run) return;
    ring.fill(answer);
    onchange();
  } catch {
    // The samples that come are shown all the same.
  }
}

/** @param {any} frame */
export function takeFigures(frame) {
  seconds.push(frame.number, frame.processes, hostTime());
}
