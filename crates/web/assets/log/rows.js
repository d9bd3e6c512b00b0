// A line of the log as an element.

import { h, setAttribute } from '../lib/dom.js';
import { webLinks } from '../lib/links.js';
import { address } from '../lib/router.js';
import { Signal } from '../lib/signal.js';
import { labelOf, run } from '../lib/store.js';
import { bytes, clock, full } from '../lib/time.js';
import { css } from './colors.js';
import { structured } from './structured.js';

/** Lines longer than this are cut on the screen. */
const LONGEST = 4096;
/** A time within a line that is this close to that of its arrival says nothing new, in milliseconds. */
const SOON = 1000;
const STORE = 'tmo-fold';

/** Whether lines that are JSON or logfmt are shown in short. */
export const folds = new Signal(localStorage.getItem(STORE) !== 'false');
folds.watch((isOn) => localStorage.setItem(STORE, String(isOn)));

/** The text of an event; null for events that are not shown. @param {any} line @returns {string | null} */
function words(line) {
  switch (line.event) {
    case 'start':
      return `▶ started · life ${line.life} · pid ${line.pid}`;
    case 'exit':
      return line.signal !== undefined ? `■ ended by signal ${line.signal}` : `■ exited with code ${line.code}`;
    case 'gap':
      return line.bytes ? `✂ ${line.bytes} bytes are missing here` : '✂ some output is missing here';
    case 'end-of-life':
      return null;
    case 'crash':
      // Version 0.2.0 has logged the last lines again, which are shown above.
      return line.text?.startsWith(' ') ? null : line.text ?? null;
    case 'crash-report':
      if (line.noticed) return null;
      return line.cause ? `▲ crashed: ${line.cause}` : '▲ crashed';
    default:
      return line.text ?? null;
  }
}

/** Whether a line is shown at all. @param {any} line */
export function isShown(line) {
  return line.event === undefined || words(line) !== null;
}

/** The plain text of a line. @param {any} line @returns {string} */
export function plain(line) {
  return line.event === undefined ? line.text ?? '' : words(line) ?? '';
}

/** @param {any} piece */
function styled(piece) {
  const span = document.createElement('span');
  span.textContent = piece.text;
  const { color, background } = piece;
  const attributes = piece.attributes ?? [];
  if (attributes.includes('reversed')) {
    // The background colour is exact, and the text has the colour of the page.
    span.style.background = color === undefined ? 'var(--text)' : css(color);
    span.style.color = background === undefined ? 'var(--page)' : css(background);
  } else {
    if (color !== undefined) span.style.color = css(color);
    if (background !== undefined) span.style.background = css(background, true);
  }
  for (const attribute of attributes) span.classList.add(`a-${attribute}`);
  return span;
}

/**
 * Add styled text, up to a number of characters, with its links.
 * @param {HTMLElement} cell @param {any} line @param {number} most
 */
function write(cell, line, most) {
  const links = webLinks((line.text ?? '').slice(0, most));
  let at = 0;
  let into = cell;
  for (const piece of line.runs ?? [{ text: line.text ?? '' }]) {
    const isPlain = piece.color === undefined && piece.background === undefined && !piece.attributes?.length;
    // A link may have several styles.
    for (let rest = piece.text.slice(0, most - at); rest;) {
      if (links[0]?.end <= at) links.shift();
      const [link] = links;
      const isIn = link?.start <= at;
      if (!isIn) into = cell;
      else if (at === link.start) {
        into = webLink(link.href);
        cell.append(into);
      }
      const length = Math.min(rest.length, (isIn ? link.end : link?.start ?? Infinity) - at);
      const text = rest.slice(0, length);
      into.append(isPlain ? text : styled({ ...piece, text }));
      rest = rest.slice(length);
      at += length;
    }
  }
}

/** A link in a line. @param {string} href */
const webLink = (href) => h('a', { href, target: '_blank', rel: 'noopener noreferrer' });

/** Have Tab stop at what a line has to press, or not: a log may have thousands. @param {Element} part @param {boolean} isReached */
export function setReachable(part, isReached) {
  for (const one of part.querySelectorAll('a, .opener')) /** @type {HTMLElement} */ (one).tabIndex = isReached ? 0 : -1;
}

/** A text up to a length. @param {string} text */
const short = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);

/**
 * A line that is JSON or logfmt: in short, and in full after a click.
 * @param {HTMLElement} cell @param {any} line @param {import('./structured.js').Structured} parts
 */
function fold(cell, line, { level, kind, time, at, message, rest, all }) {
  const seen = new Date(line.time);
  const own = new Date(at);
  const isSoon = Math.abs(at - seen.getTime()) < SOON;
  const isSameDay = own.toDateString() === seen.toDateString();
  const told = !time || isSoon ? '' : Number.isNaN(at) ? time : isSameDay ? clock(own) : full(own);
  const opener = h('button', { class: 'quiet opener', onclick: () => show(!cell.classList.contains('unfolded')) });
  const show = (/** @type {boolean} */ isOpen) => {
    cell.classList.toggle('unfolded', isOpen);
    setAttribute(opener, 'aria-expanded', String(isOpen));
    setAttribute(opener, 'aria-label', isOpen ? 'Show the line in short' : 'Show all values of the line');
    // It keeps the focus.
    while (opener.nextSibling) opener.nextSibling.remove();
    cell.append(...[
      level ? h('span', { class: `level kind-${kind}`, text: level.toUpperCase().padEnd(5) }) : null,
      told ? h('span', { class: 'dim', text: told }) : null,
    ].flatMap((part) => (part ? [part, ' '] : [])));
    write(cell, { text: isOpen ? message : short(message) }, Infinity);
    const pairs = isOpen ? all.map(([key, value]) => `\n  ${key}: ${value}`).join('') : short(rest.map(([key, value]) => ` ${key}=${value}`).join(''));
    const values = h('span', { class: 'dim' });
    write(values, { text: pairs }, Infinity);
    cell.append(values);
    setReachable(cell, cell.closest('.here') !== null);
    cell.dispatchEvent(new Event('rewritten', { bubbles: true }));
  };
  cell.append(opener);
  cell.classList.add('folded');
  cell.addEventListener('click', (event) => {
    const isOwn = !!/** @type {Element} */ (event.target).closest('a, button');
    if (!isOwn && document.getSelection()?.isCollapsed !== false) show(!cell.classList.contains('unfolded'));
  });
  show(false);
}

/** @param {any} line @param {boolean} isShort whether it may be shown in short */
function text(line, isShort) {
  const cell = h('span', { class: 'text' });
  // Not part of the text of the line, so that it is neither copied nor searched.
  if (line.lost) cell.dataset.lost = `✂ ${bytes(line.lost)} of output are missing before this line`;
  if (line.event !== undefined) {
    cell.textContent = words(line) ?? '';
    return cell;
  }
  if (line.name && line.text === `full screen: tmo connect ${line.name}`) {
    const href = address({ run: run.id, view: 'terminal', values: { name: line.name } });
    cell.append('full screen: ', h('a', { href, text: 'open terminal' }));
    return cell;
  }
  const parts = isShort && folds.value ? structured(line.text ?? '') : null;
  if (parts) {
    fold(cell, line, parts);
    return cell;
  }
  const length = (line.text ?? '').length;
  write(cell, line, LONGEST);
  if (length > LONGEST) {
    cell.append('… ', h('button', {
      class: 'quiet all', text: `show all (${bytes(length)})`,
      onclick: () => {
        cell.textContent = '';
        write(cell, line, Infinity);
        cell.dispatchEvent(new Event('rewritten', { bubbles: true }));
      },
    }));
  }
  return cell;
}

/** @param {any} line */
function kind(line) {
  if (line.event === undefined) return line.stream === 'err' ? 'row stderr' : 'row';
  return line.error || ['crash-report', 'gap'].includes(line.event) ? 'row event bad' : 'row event';
}

/** A line that is shown in full. @param {any} line */
export const row = (line) => element(line, false);

/** A line of the log, which may show JSON and logfmt in short. @param {any} line */
export const logRow = (line) => element(line, true);

/** @param {any} line @param {boolean} isShort @returns {HTMLElement} */
function element(line, isShort) {
  const date = new Date(line.time);
  const made = h('div', { class: kind(line), dataset: { cursor: line.cursor } },
    h('span', { class: 'time', title: full(date), text: clock(date), dataset: { full: full(date) } }),
    h('span', { class: 'name', text: labelOf(line.name ?? ''), title: line.stream === 'err' ? `${line.name}, standard error` : null }),
    text(line, isShort));
  const color = run.processes.get(line.name)?.color;
  if (color !== undefined) made.style.setProperty('--own', css(color));
  if (isShort) setReachable(made, false);
  return made;
}
