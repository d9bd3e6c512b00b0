// The context menu of a process.

import { act } from '../lib/actions.js';
import { isMuted, mute, prompt } from '../lib/asking.js';
import { go, goToLog } from '../lib/router.js';
import { canAct, labelOf, me, run, supervisor } from '../lib/store.js';
import { showMenu } from './menu.js';
import { askScale, askSignal } from './process_dialogs.js';
import { actionItems, actionsOf } from './run_action.js';

/** @typedef {import('./menu.js').Item} Item */

/** What is done seldom to a process, or told about it. @param {any} process @returns {Item[]} */
export function seldom(process) {
  const { name } = process;
  /** @type {Item[]} */
  const list = [];
  if (canAct() && me.value?.role === 'admin') {
    if (process.pid) list.push(['Signal …', () => askSignal(name)]);
    list.push(['Scale …', () => askScale(name)]);
  }
  if (isMuted(name)) list.push(['Notify again when it waits for input', () => mute(name, false)]);
  else if (prompt(process) !== null) list.push(['Ignore its prompt', () => mute(name, true)]);
  // This uses the run's own socket, which needs no login.
  if (run.state?.socket && canAct()) list.push(['Copy restart as curl', () => navigator.clipboard.writeText(curl(name))]);
  return list;
}

/** The items for a process. @param {any} process @returns {Item[]} */
function items(process) {
  const { name } = process;
  /** @type {Item[]} */
  const list = [];
  if (canAct()) {
    if (process.can_start) list.push(['Start', () => act('start', name)]);
    if (process.can_stop) list.push(['Stop', () => act('stop', name)]);
    list.push(['Restart', () => act('restart', name)]);
  }
  list.push(...actionItems(actionsOf(name.split('#')[0])));
  if (supervisor.value !== 'over') list.push(['Terminal', () => go({ view: 'terminal', values: { name } })]);
  list.push(
    ['Log', () => goToLog({ names: name })],
    ['Details', () => go({ view: 'process', values: { name } })],
  );
  return [...list, ...seldom(process)];
}

/** @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** @param {string} name */
function curl(name) {
  const path = `http://localhost/api/processes/${encodeURIComponent(name)}/restart`;
  return `curl --unix-socket ${quoted(run.state.socket)} -X POST ${quoted(path)}`;
}

/**
 * Open the menu at a place of the window.
 * @param {string} name @param {number} x @param {number} y
 */
export function openMenu(name, x, y) {
  const process = run.processes.get(name);
  if (process) showMenu(labelOf(name), items(process), x, y);
}
