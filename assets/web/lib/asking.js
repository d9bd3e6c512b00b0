// Finds the processes that wait for an answer of the user.

import { run } from './store.js';
import { hostTime } from './time.js';

/** A process waits if it has been silent for this long after a prompt, in milliseconds. */
const SILENT = 2000;

/** @param {any} line the text of an unfinished line */
export const textOf = (line) => line.runs.map((/** @type {any} */ piece) => piece.text).join('');

/** The prompt at which a process waits, or null. @param {any} process */
export function prompt(process) {
  if (!process.pid) return null;
  const line = run.unfinished.find((one) => one.name === process.name && one.is_prompt);
  if (!line || hostTime() - Date.parse(line.time) < SILENT) return null;
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
