// Actions on a run. The server answers at once; the states of the processes show the progress.

import { post } from './api.js';
import { Signal } from './signal.js';
import { run, silence } from './store.js';

/** How long the answer to a request may take before that is shown, in milliseconds. */
const LATE = 5000;

/** Error messages by process; '' is the whole run. @type {Signal<Map<string, string>>} */
export const failures = new Signal(new Map());

/** @param {string} name @param {string | null} why */
export function setFailure(name, why) {
  const next = new Map(failures.value);
  if (why) next.set(name, why);
  else next.delete(name);
  failures.set(next);
}

/** Post a request, unless the server seems to hang: it would act at some later time. @param {string} path @param {object} [body] */
async function order(path, body) {
  const quiet = silence();
  if (quiet) throw new Error(`not sent yet: no news from tmo web for ${quiet}; try again when it answers`);
  return post(`/r/${run.id}/${path}`, body);
}

/** @param {string} name @param {string} path @param {object} [body] */
async function send(name, path, body) {
  setFailure(name, null);
  const late = setTimeout(() => setFailure(name, 'no answer yet'), LATE);
  try {
    await order(`api/${path}?wait=false`, body);
    setFailure(name, null);
    return true;
  } catch (error) {
    setFailure(name, /** @type {Error} */ (error).message);
    return false;
  } finally {
    clearTimeout(late);
  }
}

/** Run the action of this process; returns whether it begins. @param {string} name @param {boolean} confirmed */
export function runAction(name, confirmed) {
  return send('', `processes/${encodeURIComponent(name)}/start`, { confirmed });
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
  return order('reload');
}

/** Delete the log so far; returns where copies of it may be. @returns {Promise<string[]>} */
export async function clearHistory() {
  try {
    setFailure('', null);
    return (await order('api/clear')).stays ?? [];
  } catch (error) {
    setFailure('', /** @type {Error} */ (error).message);
    return [];
  }
}

/** End the run. */
export function quit() {
  return send('', 'quit');
}
