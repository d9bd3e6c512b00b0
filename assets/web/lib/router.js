// The address of the current view: `#/r/RUN/log?names=web,api&at=12.0`, `#/r/RUN/process/web`.

import { Signal } from './signal.js';

/** @typedef {{ run: string | null, view: string, values: Record<string, string> }} Place */

/** @returns {Place} */
function read() {
  const [path, search] = location.hash.replace(/^#/, '').split('?');
  const parts = path.split('/').filter(Boolean);
  const values = Object.fromEntries(new URLSearchParams(search ?? ''));
  if (parts[2] === 'process') values.name = decodeURIComponent(parts[3] ?? '');
  if (parts[0] === 'r' && parts[1]) return { run: decodeURIComponent(parts[1]), view: parts[2] ?? 'overview', values };
  return { run: null, view: 'overview', values };
}

/** @type {Signal<Place>} */
export const place = new Signal(read());

window.addEventListener('hashchange', () => place.set(read()));

/** @param {Place} to */
export function address({ run, view, values }) {
  const isProcess = view === 'process';
  const path = isProcess ? `process/${encodeURIComponent(values.name)}` : view;
  const kept = Object.entries(values).filter(([name, value]) => value !== '' && !(isProcess && name === 'name'));
  const search = new URLSearchParams(kept).toString();
  return `#/r/${encodeURIComponent(run ?? '')}/${path}${search ? `?${search}` : ''}`;
}

/** Go to a place. Parts that are not given stay as they are. @param {Partial<Place>} to */
export function go(to) {
  location.hash = address({ ...place.value, ...to });
}

/** Change the values of the address without a new entry in the history. @param {Record<string, string>} values */
export function keep(values) {
  const to = { ...place.value, values: { ...place.value.values, ...values } };
  history.replaceState(null, '', address(to));
  place.value = read();
}
