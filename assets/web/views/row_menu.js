// The menu of a process: by the right button, the menu key, or a long touch.

import { act } from '../lib/actions.js';
import { h } from '../lib/dom.js';
import { go } from '../lib/router.js';
import { canStart, canStop } from '../lib/states.js';
import { canAct, run, supervisor } from '../lib/store.js';

/** @typedef {[string, () => any]} Item */

/** What can be done with a process. @param {any} process @returns {Item[]} */
function items(process) {
  const { name } = process;
  /** @type {Item[]} */
  const list = [];
  if (canAct()) {
    if (canStart(process)) list.push(['Start', () => act('start', name)]);
    if (canStop(process)) list.push(['Stop', () => act('stop', name)]);
    list.push(['Restart', () => act('restart', name)]);
  }
  if (supervisor.value !== 'over') list.push(['Terminal', () => go({ view: 'terminal', values: { name } })]);
  list.push(
    ['Log', () => go({ view: 'log', values: { names: name } })],
    ['Details', () => go({ view: 'process', values: { name } })],
  );
  // The API of the run itself, which needs no login.
  if (run.state?.socket && canAct()) list.push(['Copy restart as curl', () => navigator.clipboard.writeText(curl(name))]);
  return list;
}

/** @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** @param {string} name */
function curl(name) {
  const path = `http://localhost/api/processes/${encodeURIComponent(name)}/restart`;
  return `curl --unix-socket ${quoted(run.state.socket)} -X POST ${quoted(path)}`;
}

/**
 * Show the menu at a place of the window.
 * @param {string} name @param {number} x @param {number} y
 */
export function openMenu(name, x, y) {
  const process = run.processes.get(name);
  if (!process) return;
  const before = document.activeElement;
  // Not `auto`: where a right button opens the menu when it is pressed, its release would close it.
  const menu = h('div', { class: 'menu', role: 'menu', 'aria-label': name, popover: 'manual' });
  const outside = (/** @type {Event} */ event) => {
    if (!menu.contains(/** @type {Node} */ (event.target))) close();
  };
  const close = () => {
    document.removeEventListener('pointerdown', outside, true);
    window.removeEventListener('blur', close);
    const hadFocus = menu.contains(document.activeElement);
    menu.remove();
    if (hadFocus && before instanceof HTMLElement) before.focus();
  };
  for (const [text, work] of items(process)) {
    menu.append(h('button', { role: 'menuitem', text, onclick: () => { close(); work(); } }));
  }
  menu.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' || event.key === 'Tab') close();
    else if (!move(menu, event)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  document.addEventListener('pointerdown', outside, true);
  window.addEventListener('blur', close);
  document.body.append(menu);
  menu.showPopover();
  const { width, height } = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(4, Math.min(x, innerWidth - width - 4))}px`;
  menu.style.top = `${Math.max(4, Math.min(y, innerHeight - height - 4))}px`;
  /** @type {HTMLElement | null} */ (menu.firstElementChild)?.focus();
}

/** @param {HTMLElement} menu @param {KeyboardEvent} event @returns {boolean} whether the key moves the focus */
function move(menu, event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return false;
  const all = /** @type {HTMLElement[]} */ ([...menu.children]);
  const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  all[(at + step + all.length) % all.length].focus();
  return true;
}
