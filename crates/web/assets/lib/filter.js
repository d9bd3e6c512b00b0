// The filter of the processes, in the side bar.

import { Signal } from './signal.js';

/** What was typed. @type {Signal<string>} */
export const filter = new Signal('');

/** Whether a process has each word of the filter in its name, its state or its groups. @param {any} process */
export function isWanted({ name, display, state, groups = [] }) {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const texts = [name, display ?? '', state, ...groups].map((text) => text.toLowerCase());
  return words.every((word) => texts.some((text) => text.includes(word)));
}
