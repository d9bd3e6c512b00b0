// Dialogs. Esc closes them, and the focus returns to where it was.

import { h } from '../lib/dom.js';

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
  element.addEventListener('close', () => {
    element.remove();
    if (before instanceof HTMLElement) before.focus();
  });
  element.addEventListener('click', (event) => {
    if (event.target === element) close();
  });
  document.body.append(element);
  element.showModal();
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
