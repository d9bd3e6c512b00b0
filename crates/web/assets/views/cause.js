// The cause of each failure in one line. Each failure is requested once, one after the other.

import { changes, run } from '../lib/store.js';
import { explain } from './why.js';

/** The last failure of each process; its text is null until it is known. @type {Map<string, { since: number, text: string | null }>} */
const known = new Map();
/** The request that was made last. @type {Promise<unknown>} */
let last = Promise.resolve();

/** @param {any} explanation @returns {string} */
function inShort({ causes = [], lastLogs = [] }) {
  const [cause] = causes;
  // The exit code is part of the state already.
  if (cause && cause.kind !== 'exit-code') return cause.place ? `${cause.text} · ${cause.place}` : cause.text;
  const line = lastLogs.findLast((/** @type {string} */ text) => text.trim());
  return line ? `last line: ${line.trim()}` : 'its output does not explain why';
}

/** @param {any} process which has failed, and may run again @returns {string | null} null until it is known */
export function causeOf(process) {
  const { name } = process;
  // While it runs again, the last failure is still the same.
  const since = process.crash_loop?.last ?? process.since;
  const key = `${run.id} ${name}`;
  const before = known.get(key);
  if (before?.since === since) return before.text;
  /** @type {{ since: number, text: string | null }} */
  const failure = { since, text: null };
  known.set(key, failure);
  const { id } = run;
  last = last.then(async () => {
    // Meanwhile another run is shown, or it has failed again.
    if (id !== run.id || known.get(key) !== failure) return;
    failure.text = inShort(await explain(name));
    changes.set(changes.value + 1);
  }).catch(() => { failure.text = ''; });
  return null;
}
