// A context menu.

import { h, setAttribute } from '../lib/dom.js';

/** @typedef {[string, () => any]} Item label and action */

/**
 * @param {string} label @param {Item[]} items
 * @param {number} x @param {number} y the top left corner, if the menu fits there
 * @param {number} [bottom] the bottom edge if it does not fit
 */
export function showMenu(label, items, x, y, bottom = innerHeight - 4) {
  const before = document.activeElement;
  // Not `auto`: on systems where pressing the right button opens the menu, the release would close it.
  const menu = h('div', {
    class: 'menu', role: 'menu', 'aria-label': label, popover: 'manual',
    // Selected text stays selected while an item is pressed.
    onmousedown: (/** @type {Event} */ event) => event.preventDefault(),
  });
  const outside = (/** @type {Event} */ event) => {
    if (!menu.contains(/** @type {Node} */ (event.target))) close();
  };
  const close = () => {
    document.removeEventListener('pointerdown', outside, true);
    window.removeEventListener('blur', close);
    if (isOpener(before)) setAttribute(before, 'aria-expanded', 'false');
    const hadFocus = menu.contains(document.activeElement);
    menu.remove();
    if (hadFocus && before instanceof HTMLElement) before.focus();
  };
  for (const [text, work] of items) {
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
  // A screen reader finds it in the view that it belongs to.
  (document.querySelector('dialog[open]') ?? document.getElementById('main') ?? document.body).append(menu);
  menu.showPopover();
  if (isOpener(before)) setAttribute(before, 'aria-expanded', 'true');
  const { width, height } = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(4, Math.min(x, innerWidth - width - 4))}px`;
  menu.style.top = `${Math.max(4, y + height > innerHeight - 4 ? bottom - height : y)}px`;
  /** @type {HTMLElement | null} */ (menu.firstElementChild)?.focus();
}

/**
 * A button that opens a menu.
 * @param {string} text @param {string} label @param {() => Item[]} items
 */
export function menuButton(text, label, items) {
  const button = h('button', {
    class: 'menu-button', text, title: label, 'aria-label': label, 'aria-haspopup': 'menu', 'aria-expanded': 'false',
    onclick: () => {
      // Not all browsers focus the button that is clicked.
      button.focus();
      const { left, top, bottom } = button.getBoundingClientRect();
      showMenu(label, items(), left, bottom + 2, top - 2);
    },
  });
  return button;
}

/** Whether this is a button that opens a menu. @param {Element | null} element @returns {element is Element} */
const isOpener = (element) => element?.getAttribute('aria-haspopup') === 'menu';

/** @param {HTMLElement} menu @param {KeyboardEvent} event @returns {boolean} whether the key moves the focus */
function move(menu, event) {
  const all = /** @type {HTMLElement[]} */ ([...menu.children]);
  const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (to === undefined) return false;
  all[(to + all.length) % all.length].focus();
  return true;
}
