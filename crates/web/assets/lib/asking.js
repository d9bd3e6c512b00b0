// Finds the processes that wait for an answer of the user.

import { changes, run } from './store.js';

/** Where this browser keeps the processes whose prompts say nothing, such as an idle shell. */
const STORE = 'tmo-muted';

/** @param {any} line the text of an unfinished line */
export const textOf = (line) => line.runs.map((/** @type {any} */ piece) => piece.text).join('');

/** @param {string} name */
const keyOf = (name) => `${run.state?.root ?? ''} ${name}`;

/** @returns {string[]} */
function muted() {
  try {
    return JSON.parse(localStorage.getItem(STORE) ?? '[]');
  } catch {
    return [];
  }
}

/** Whether the prompts of a process do not count. @param {string} name */
export const isMuted = (name) => muted().includes(keyOf(name));

/** @param {string} name @param {boolean} isOff */
export function mute(name, isOff) {
  const others = muted().filter((key) => key !== keyOf(name));
  localStorage.setItem(STORE, JSON.stringify(isOff ? [...others, keyOf(name)] : others));
  changes.set(changes.value + 1);
}

/** The prompt at which a process waits, or null. @param {any} process */
export function prompt(process) {
  if (!process.prompt || isMuted(process.name)) return null;
  return process.prompt.text;
}

/** All processes that wait for an answer. */
export const asking = () => [...run.processes.values()].filter((process) => prompt(process) !== null);
