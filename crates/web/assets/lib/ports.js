// The ports that a process listens on.

import { hostOf } from './hosts.js';
import { run, runs } from './store.js';

/** Whether this page comes from the machine of the browser, where names below `localhost` lead. */
const isHere = /(^|\.)localhost$|^127\.0\.0\.1$|^\[::1\]$/.test(location.hostname);

/**
 * The ports that a process listens on, the one to show first; null if that is not known. Figures of an earlier life say
 * nothing.
 * @param {any} process @returns {number[] | null}
 */
export function listening({ name, pid }) {
  const now = run.figures.get(name)?.now;
  return pid && now?.pid === pid ? now.listens : null;
}

/**
 * The address of a port, if it can be opened: the name of the process, which leads to the port that it was told or else
 * to its lowest one.
 * @param {number | null} port @param {any} process
 */
export function link(port, process) {
  // What another program has there is not the page of the process.
  if (!port || !process.pid || idle(process)) return null;
  const known = isHere && run.id && !hostOf(run.id) ? runs.value.find((one) => one.id === run.id) : null;
  const host = known?.hosts?.[process.name];
  const ports = listening(process) ?? [process.port];
  const named = ports.includes(process.port) ? process.port : Math.min(...ports);
  return host && port === named ? `http://${host}:${location.port}/` : `http://localhost:${port}/`;
}

/** Says so if a process does not listen itself. @param {any} process */
export function idle(process) {
  if (!process.port) return null;
  const now = run.figures.get(process.name)?.now;
  if (process.pid && now?.pid === process.pid && !now.listens) return `its PORT is ${process.port}, but not it listens there: perhaps its container, or another program`;
  return listening(process)?.length === 0 ? `does not listen; its PORT is ${process.port}` : null;
}
