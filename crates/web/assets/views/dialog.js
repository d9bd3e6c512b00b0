// Dialogs. Esc and the browser's Back close them, and the focus returns to where it was.

import { h } from '../lib/dom.js';
import { goTo, hasLeft, isLeaving, leave, pressed } from '../lib/router.js';

/** The open dialogs by the numbers of their entries in the history. @type {Map<number, HTMLDialogElement>} */
const open = new Map();
let last = 0;

// What a reload leaves of a dialog is an ordinary entry.
if (history.state?.dialog) history.replaceState(null, '');
window.addEventListener('popstate', () => {
  const entry = history.state?.dialog ?? 0;
  for (const [number, element] of open) {
    if (number <= entry) continue;
    // Those that were opened meanwhile have no entry yet.
    if (isLeaving) enter(number);
    else element.close();
  }
  // An entry of a dialog that is closed shows nothing new.
  const { dialog: now } = history.state ?? {};
  if (now && !open.has(now)) leave();
  else hasLeft();
});

/** Give a dialog an entry in the history: a new one, or that of a dialog that has just been closed. @param {number} number */
function enter(number) {
  const entry = history.state?.dialog;
  if (entry && !open.has(entry)) history.replaceState({ dialog: number }, '');
  else history.pushState({ dialog: number }, '');
}

/**
 * @param {string} title
 * @param {(close: () => void) => (Node | string)[]} content
 */
export function dialog(title, content) {
  const before = document.activeElement;
  const element = /** @type {HTMLDialogElement} */ (h('dialog', { 'aria-label': title }));
  const close = () => element.close();
  element.append(
    h('header', {}, h('h2', { text: title }), h('button', { class: 'quiet', 'aria-label': 'Close', text: '✕', onclick: close })),
    ...content(close),
  );
  const number = last += 1;
  element.addEventListener('close', () => {
    open.delete(number);
    element.remove();
    if (before instanceof HTMLElement) before.focus();
    // Whoever closes it to go elsewhere does so at once, in place of its entry.
    setTimeout(() => { if (!isLeaving && history.state?.dialog === number) leave(); });
  });
  element.addEventListener('click', (event) => {
    const to = pressed(event);
    if (event.target === element) close();
    else if (to) {
      event.preventDefault();
      close();
      goTo(to);
    }
  });
  document.body.append(element);
  element.showModal();
  open.set(number, element);
  if (!isLeaving) enter(number);
  return element;
}

/**
 * Ask before an action that can't be undone.
 * @param {string} title @param {string} text each line is a paragraph
 * @param {string | null} action null if there is nothing to do @param {() => void} [work]
 */
export function confirm(title, text, action, work) {
  const element = dialog(title, (close) => [
    ...text.split('\n').map((line) => h('p', { text: line })),
    h('footer', {},
      h('button', { text: action ? 'Cancel' : 'Close', onclick: close }),
      action ? h('button', { class: 'danger', text: action, onclick: () => { close(); work?.(); } }) : ''),
  ]);
  /** @type {HTMLElement | null} */ (element.querySelector('footer button'))?.focus();
}
