// The ports that a process listens on.

import { run } from './store.js';

/**
 * The ports that a process listens on, the one to show first; null if that is not known. Figures of an earlier life say
 * nothing.
 * @param {any} process @returns {number[] | null}
 */
export function listening({ name, pid }) {
  const now = run.figures.get(name)?.now;
  return pid && now?.pid === pid ? now.listens : null;
}

/** The address of a port, if it can be opened. @param {number | null} port @param {any} process */
export const link = (port, { pid }) => port && pid ? `http://localhost:${port}/` : null;

/** Says so if a process does not listen itself. @param {any} process */
export function idle(process) {
  if (!process.port) return null;
  const now = run.figures.get(process.name)?.now;
  if (process.pid && now?.pid === process.pid && !now.listens) return `its PORT is ${process.port}, but not it listens there: perhaps its container, or another program`;
  return listening(process)?.length === 0 ? `does not listen; its PORT is ${process.port}` : null;
}
