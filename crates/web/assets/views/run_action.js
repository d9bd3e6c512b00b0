// Runs the actions of the configuration: commands in the environment of a process or of the project.

import { runAction } from '../lib/actions.js';
import { goToLog } from '../lib/router.js';
import { canAct, run } from '../lib/store.js';
import { confirm } from './dialog.js';

/** @typedef {import('./menu.js').Item} Item */

/** The actions of an entry of the Procfile; all of them if none is named. @param {string} [entry] @returns {any[]} */
export function actionsOf(entry) {
  if (!canAct()) return [];
  return (run.state?.actions ?? []).filter((/** @type {any} */ { of }) => entry === undefined || of === entry);
}

/** Run an action and show what it prints. @param {any} action */
export function start(action) {
  const begin = async () => {
    if (await runAction(action.process, Boolean(action.confirm))) goToLog({ names: action.process });
  };
  if (!action.confirm) return begin();
  return confirm(`Run ${action.name}?`, action.command, 'Run', begin);
}

/** Items of a menu. @param {any[]} actions @returns {Item[]} */
export function actionItems(actions) {
  const times = (/** @type {string} */ name) => actions.filter((other) => other.name === name).length;
  const word = (/** @type {any} */ { name, of }) => (of && times(name) > 1 ? `${of}.${name}` : name);
  return actions.map((action) => [`Run ${word(action)}${action.confirm ? ' …' : ''}`, () => start(action)]);
}
