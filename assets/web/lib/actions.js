// Actions on a run. The server answers at once; the states of the processes show the progress.

import { post } from './api.js';
import { Signal } from './signal.js';
import { run } from './store.js';

/** Error messages by process; '' is the whole run. @type {Signal<Map<string, string>>} */
export const failures = new Signal(new Map());

/** @param {string} name @param {string | null} why */
export function setFailure(name, why) {
  const next = new Map(failures.value);
  if (why) next.set(name, why);
  else next.delete(name);
  failures.set(next);
}

/** @param {string} name @param {string} path @param {object} [body] */
async function send(name, path, body) {
  try {
    setFailure(name, null);
    await post(`/r/${run.id}/api/${path}?wait=false`, body);
    return true;
  } catch (error) {
    setFailure(name, /** @type {Error} */ (error).message);
    return false;
  }
}

/** Run the action of this process; returns whether it begins. @param {string} name */
export function runAction(name) {
  return send('', `processes/${encodeURIComponent(name)}/start`);
}

/** @param {'start' | 'stop' | 'restart'} what @param {string} name */
export function act(what, name) {
  // `=` is needed only if the entry has several instances. Supervisors of earlier versions do not know it.
  const isEntry = [...run.processes.keys()].some((other) => other.startsWith(`${name}#`));
  return send(name, `processes/${encodeURIComponent(isEntry ? `=${name}` : name)}/${what}`);
}

/** @param {'start' | 'stop' | 'restart'} what @param {string[]} names */
export function actOnAll(what, names) {
  return send('', what, { names });
}

/** Send a signal to a process and its children. @param {string} name @param {string} signal */
export function sendSignal(name, signal) {
  return send(name, 'signal', { signal, names: [`=${name}`] });
}

/** Run this many instances of an entry of the Procfile. @param {string} entry @param {number} count */
export function scale(entry, count) {
  return send('', 'scale', { counts: { [entry]: count } });
}

/** Reload the configuration; returns what that changed. @returns {Promise<{ changes: string[], warnings: string[] }>} */
export function reload() {
  return post(`/r/${run.id}/reload`);
}

/** Delete the log so far; returns where copies of it may be. @returns {Promise<string[]>} */
export async function clearHistory() {
  try {
    setFailure('', null);
    return (await post(`/r/${run.id}/api/clear`)).stays ?? [];
  } catch (error) {
    setFailure('', /** @type {Error} */ (error).message);
    return [];
  }
}

/** End the run. */
export function quit() {
  return send('', 'quit');
}
