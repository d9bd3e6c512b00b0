// The help: a list of keys.

import { h } from '../lib/dom.js';
import { dialog } from './dialog.js';

/** Keys, separated by two spaces, and their actions. */
const KEYS = [
  ['/', 'search in the log'],
  ['n  N', 'next and previous match (older, newer)'],
  ['Esc', 'leave the search or the selection, close a dialog'],
  ['f  End', 'follow the end of the log'],
  ['Home', 'the very first line'],
  ['PgUp  PgDn  ↑  ↓  k  j  Space', 'scroll the log'],
  ['J  K', 'select the next line, the one before'],
  ['Shift+↓  Shift+↑', 'extend the selection'],
  ['Enter', 'unfold the selected line, or open its link'],
  ['1 … 9', 'only this process'],
  ['0', 'all processes'],
  ['w', 'wrap lines'],
  ['t', 'times: short, full, off'],
  ['c', 'clear the view'],
  ['y', 'copy a link to this place'],
  ['click a time', 'select the line; with Shift, all lines up to it; on a phone, tap the coloured edge'],
  ['←  →  ↑  ↓  Enter', 'in the timeline: choose a moment and a process, open the log there'],
  ['Shift+←  Shift+→', 'in the timeline: the mark before and after'],
  ['r', 'restart the process whose row has the focus'],
  ['s', 'stop or start it'],
  ['right click', 'in the overview: the menu of a process'],
  ['o', 'overview'],
  ['l', 'log'],
  ['Ctrl+Shift+L', 'leave the terminal of a process: all other keys reach the process'],
  ['m', 'figures: CPU, memory and output'],
  ['p', 'filter the processes by name, state or group; Enter shows their log'],
  ['e', 'search everything: the logs of all runs'],
  ['?', 'this list'],
];

export function help() {
  dialog('Keys', () => [
    h('table', { class: 'keys' }, h('tbody', {}, ...KEYS.map(([key, what]) =>
      h('tr', {}, h('th', { scope: 'row' }, ...key.split('  ').flatMap((one) => [h('kbd', { text: one }), ' '])), h('td', { text: what }))))),
  ]);
}
