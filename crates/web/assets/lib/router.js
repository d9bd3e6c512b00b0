// The address of the current view: `#/r/RUN/log?names=web,api&top=12.0`, `#/r/RUN/process/web`.

import { Signal } from './signal.js';

/** @typedef {{ run: string | null, view: string, values: Record<string, string> }} Place */

/** Where this tab keeps the values of the address of a run's log; the id of the run follows. */
const LOG = 'tmo-log ';

/** The part of the address that was read last. */
let known = '';
/** The values that the browser has refused to put into the address so far. @type {Record<string, string>} */
let late = {};
let retry = 0;
/** The time until the next attempt, in milliseconds. */
const RETRY = 1000;

const VIEWS = ['overview', 'log', 'terminal', 'figures', 'apps', 'search', 'process'];

/** A part of the address; one that is written wrongly is as it stands. @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** @returns {Place} */
function read() {
  known = location.hash;
  const [path, search] = location.hash.replace(/^#/, '').split('?');
  const parts = path.split('/').filter(Boolean);
  const values = Object.fromEntries(new URLSearchParams(search ?? ''));
  if (parts[2] === 'process') values.name = decoded(parts[3] ?? '');
  if (parts[0] === 'r' && parts[1]) return { run: decoded(parts[1]), view: VIEWS.includes(parts[2]) ? parts[2] : 'overview', values };
  return { run: null, view: 'overview', values };
}

/** @type {Signal<Place>} */
export const place = new Signal(read());
place.watch(remember);

window.addEventListener('hashchange', () => {
  // They belong to the address of before.
  late = {};
  clearTimeout(retry);
  place.set(read());
});

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
  goTo(address({ ...place.value, ...to }));
}

/** The address of a place in a run's log. Lines that were hidden there stay hidden. @param {string | null} run @param {Record<string, string>} values */
export function logAddress(run, values) {
  return address({ run, view: 'log', values: { hide: lastLog(run).hide ?? '', ...values } });
}

/** Go to a place of the log of this run. @param {Record<string, string>} values */
export function goToLog(values) {
  goTo(logAddress(place.value.run, values));
}

/** Go to an address of this page. It replaces the entry that a dialog has in the history. @param {string} hash */
export function goTo(hash) {
  if (isLeaving) next = hash;
  else if (history.state?.dialog) location.replace(hash);
  else location.hash = hash;
}

/** Whether the browser is on its way back from the entry of a closed dialog. */
export let isLeaving = false;
/** Where to go after that: it would go back from there, too. */
let next = '';

/** Leave the entry of a closed dialog. */
export function leave() {
  isLeaving = true;
  history.back();
}

/** The browser has left it. */
export function hasLeft() {
  isLeaving = false;
  const to = next;
  next = '';
  if (to) goTo(to);
}

/** The address of the link of this page that was pressed; null for others and for a new tab. @param {MouseEvent} event */
export function pressed(event) {
  const isPlain = !event.ctrlKey && !event.metaKey && !event.shiftKey;
  const link = /** @type {Element} */ (event.target).closest('a[href^="#"]');
  return isPlain && link ? link.getAttribute('href') : null;
}

document.addEventListener('click', (event) => {
  const to = isLeaving && pressed(event);
  if (!to) return;
  event.preventDefault();
  goTo(to);
}, true);

/** Change the values of the address without a new entry in the history. @param {Record<string, string>} values */
export function keep(values) {
  // The browser is on its way to another entry, whose address this is not.
  if (location.hash !== known) {
    late = {};
    return;
  }
  late = { ...late, ...values };
  if (history.state?.dialog) {
    // The entry of a dialog is not that of the view.
    clearTimeout(retry);
    retry = setTimeout(() => keep({}), RETRY);
    return;
  }
  const to = { ...place.value, values: { ...place.value.values, ...late } };
  clearTimeout(retry);
  try {
    history.replaceState(history.state, '', address(to));
  } catch {
    // Browsers refuse too many changes at once.
    retry = setTimeout(() => keep({}), RETRY);
    return;
  }
  late = {};
  place.value = read();
  remember();
}

/** Keep the place of the log, for when the reader comes back to it. */
function remember() {
  const { run, view, values } = place.value;
  if (run && view === 'log') sessionStorage.setItem(LOG + run, JSON.stringify(values));
}

/** The values of the address that a run's log had last in this tab. @param {string | null} run @returns {Record<string, string>} */
export function lastLog(run) {
  try {
    return JSON.parse(sessionStorage.getItem(LOG + run) ?? '{}');
  } catch {
    return {};
  }
}

/** Choose the processes that the log shows, also from another view. @param {string} names as `named` reads them */
export function chooseNames(names) {
  const { run, view } = place.value;
  const values = { names };
  if (view === 'log') keep(values);
  else sessionStorage.setItem(LOG + run, JSON.stringify({ ...lastLog(run), ...values }));
  place.tell();
}
