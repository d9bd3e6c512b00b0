// What has changed since the processes were started: settings, programs, scripts. It is read when somebody comes back
// to the page, and while a process begins or ends.

import { get } from './api.js';
import { Signal } from './signal.js';
import { me, run, supervisor } from './store.js';

/** The shortest time between two looks, in milliseconds. */
const PAUSE = 5000;

/** What has changed, by process. @type {Signal<Map<string, string[]>>} */
export const drift = new Signal(new Map());

let last = 0;
/** The run that was looked at. @type {string | null} */
let of = null;

export async function lookForDrift() {
  const { id } = run;
  if (id !== of) {
    [of, last] = [id, 0];
    drift.set(new Map());
  }
  if (document.hidden || !id || supervisor.value !== 'up' || me.value?.role !== 'admin' || Date.now() - last < PAUSE) return;
  last = Date.now();
  try {
    const { processes } = await get(`/r/${id}/drift`);
    const found = new Map(processes.map((/** @type {any} */ one) => [one.name, one.drift]));
    const isSame = found.size === drift.value.size && [...found].every(([name, what]) => `${drift.value.get(name)}` === `${what}`);
    if (run.id === id && !isSame) drift.set(found);
  } catch {
    // A run of an earlier version has no answer.
  }
}

window.addEventListener('focus', lookForDrift);
document.addEventListener('visibilitychange', lookForDrift);
