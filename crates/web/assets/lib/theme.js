// The light and the dark theme.

import { Signal } from './signal.js';

const STORE = 'tmo-theme';
export const THEMES = ['auto', 'light', 'dark'];
const system = matchMedia('(prefers-color-scheme: dark)');
const stored = localStorage.getItem(STORE) ?? '';

/** The user's choice. */
export let choice = THEMES.includes(stored) ? stored : 'auto';

/** The theme that is shown. @type {Signal<string>} */
export const theme = new Signal('');

export function applyTheme() {
  const isDark = choice === 'dark' || (choice === 'auto' && system.matches);
  document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
  theme.set(isDark ? 'dark' : 'light');
}

/** @param {string} name */
export function chooseTheme(name) {
  choice = name;
  localStorage.setItem(STORE, choice);
  applyTheme();
}

system.addEventListener('change', applyTheme);
