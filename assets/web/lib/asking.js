// Finds the processes that wait for an answer of the user.

import { changes, run } from './store.js';
import { hostTime } from './time.js';

/** Where this browser keeps the processes whose prompts say nothing, such as an idle shell. */
const STORE = 'tmo-muted';
/** A process waits if it has been silent for this long after a prompt, in milliseconds. */
const SILENT = 2000;

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
  if (!process.pid) return null;
  const line = run.unfinished.find((one) => one.name === process.name && one.is_prompt);
  if (!line || hostTime() - Date.parse(line.time) < SILENT || isMuted(process.name)) return null;
  return textOf(line).trim().split('\n').at(-1) ?? '';
}

/**
 * Call a function once the present unfinished lines have been silent for long enough to be prompts.
 * @param {() => void} work
 */
export function whenSilent(work) {
  if (run.unfinished.some((line) => line.is_prompt)) setTimeout(work, SILENT + 100);
}

/** All processes that wait for an answer. */
export const asking = () => [...run.processes.values()].filter((process) => prompt(process) !== null);
