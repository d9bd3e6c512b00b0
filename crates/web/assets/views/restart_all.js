// Restarts or stops several processes after a confirmation. Processes that were stopped or have ended well stay so.

import { actOnAll } from '../lib/actions.js';
import { prompt } from '../lib/asking.js';
import { isBad } from '../lib/states.js';
import { labelOf, run } from '../lib/store.js';
import { confirm } from './dialog.js';

/** @param {any[]} processes */
const names = (processes) => processes.map(({ name }) => labelOf(name)).join(', ');

/** `1 process that runs` @param {number} count @param {string} one @param {string} many */
const counted = (count, one, many) => `${count} ${count === 1 ? `process that ${one}` : `processes that ${many}`}`;

/** What is lost of those that wait for an answer. @param {any[]} running */
const lost = (running) => running.filter((process) => prompt(process) !== null)
  .map((process) => `${labelOf(process.name)} waits for an answer, which is lost: ${prompt(process)}`);

/** Which processes are restarted, and a description with the consequences. @param {any[]} all */
function plan(all) {
  const running = all.filter((process) => process.pid);
  const bad = all.filter((process) => !process.pid && isBad(process));
  const left = all.length - running.length - bad.length;
  const parts = [
    running.length ? `This restarts the ${counted(running.length, 'runs', 'run')}.` : '',
    bad.length ? `It starts what has failed: ${names(bad)}.` : '',
    ...lost(running),
    left ? `${counted(left, 'was stopped or has ended stays', 'were stopped or have ended stay')} as ${left === 1 ? 'it is' : 'they are'}.` : '',
  ];
  return { chosen: [...running, ...bad], text: parts.filter(Boolean).join('\n') };
}

/** Restart those of the processes that run or have failed, after a confirmation. @param {string} title @param {string[]} of */
export function askToRestart(title, of) {
  // An action runs once whenever it is asked for by itself.
  const isAction = (/** @type {string} */ name) => run.state?.actions?.some((/** @type {any} */ action) => action.process === name);
  const all = of.filter((name) => !isAction(name)).map((name) => run.processes.get(name)).filter((process) => process);
  const { chosen, text } = plan(all);
  if (!chosen.length) return confirm(title, `None of them runs or has failed.${text ? `\n${text}` : ''}`, null);
  return confirm(title, text, 'Restart', () => actOnAll('restart', chosen.map(({ name }) => name)));
}

/** Stop those of the processes that run, after a confirmation. @param {string} title @param {string[]} of */
export function askToStop(title, of) {
  const running = of.map((name) => run.processes.get(name)).filter((process) => process?.can_stop);
  if (!running.length) return confirm(title, 'None of them runs.', null);
  const text = [`This stops ${running.length === 1 ? '1 process' : `${running.length} processes`}: ${names(running)}.`, ...lost(running)].join('\n');
  return confirm(title, text, 'Stop', () => actOnAll('stop', running.map(({ name }) => name)));
}
