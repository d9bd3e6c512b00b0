// The states of processes: sign, kind, and reason.

import { hostTime, ms, span } from './time.js';

/** @typedef {'good' | 'bad' | 'busy' | 'end' | 'install' | 'wait' | 'off'} Kind */

/** @type {Record<string, [string, Kind]>} */
const STATES = {
  running: ['●', 'good'],
  starting: ['◐', 'busy'],
  installing: ['◇', 'install'],
  pending: ['◌', 'wait'],
  stopping: ['◑', 'end'],
  stuck: ['▲', 'bad'],
  restarting: ['↻', 'busy'],
  stopped: ['■', 'off'],
  exited: ['□', 'off'],
  skipped: ['–', 'off'],
  'left-out': ['–', 'off'],
  broken: ['▲', 'bad'],
  error: ['▲', 'bad'],
};

/** @param {string} state @returns {[string, Kind]} */
export function sign(state) {
  return STATES[state] ?? ['?', 'off'];
}

/**
 * The sign and the kind of a process. A failed process is bad, whatever its state is called.
 * @param {any} process @returns {[string, Kind]}
 */
export function signOf(process) {
  if (looping(process)) return ['✖', 'bad'];
  const [mark, kind] = sign(process.state);
  if (process.condition === 'failed') return [process.state === 'exited' ? '▲' : mark, 'bad'];
  if (process.state === 'running' && process.ready === false) return ['◐', 'busy'];
  return [mark, kind];
}

/** `crash loop · 12×`, if it has failed three times without having been stable since. @param {any} process */
export function looping({ crash_loop: story }) {
  const isOpen = story?.times >= 3 && !(story.until && hostTime() >= ms(story.until));
  return isOpen ? `crash loop · ${story.times}×` : null;
}

/** The state of a process in a word. @param {any} process */
export function wordOf(process) {
  return looping(process) ?? (process.state === 'exited' && process.failed ? ending(process) : process.state);
}

/** Whether a process needs attention: it has failed, or does not work as it should. @param {any} process */
export function isBad(process) {
  return process.condition === 'failed' || (process.failed && !process.pid);
}

/**
 * How often a process has failed in a row, and when last, until it has run for long enough to count as stable; null for
 * others. @param {any} process @returns {string | null}
 */
export function crashLoop({ crash_loop: story }) {
  const now = hostTime();
  if (!story || (story.until && now >= ms(story.until))) return null;
  const last = `${span(Math.max(0, now - ms(story.last)))} ago`;
  return story.times > 1 ? `crashed ${story.times} times in a row, last ${last}` : `crashed ${last}`;
}

/** Whether there is something to tell about a process: it is bad now, or fails again and again. @param {any} process */
export const isTroubled = (process) => isBad(process) || crashLoop(process) !== null;

/** `exit 1`, `signal 9` @param {any} process */
export function ending(process) {
  const exit = process.exit;
  if (!exit) return '';
  if (exit.signal !== undefined && exit.signal !== null) return `signal ${exit.signal}`;
  return `exit ${exit.code ?? 0}`;
}

/** The note beside the state. @param {any} process @returns {string} */
export function reason(process) {
  if (process.reason) return process.reason;
  if (process.not_ready) return process.not_ready;
  if (process.lacks?.length) return `not ready yet: ${process.lacks.join('; ')}`;
  if (process.awaits?.length) return `waits for ${process.awaits.join(', ')}`;
  if (process.watch?.note) return process.watch.note;
  return process.status_text ?? '';
}
