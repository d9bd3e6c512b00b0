// A line of the log as an element.

import { h } from '../lib/dom.js';
import { address } from '../lib/router.js';
import { run } from '../lib/store.js';
import { bytes, clock, full } from '../lib/time.js';
import { css } from './colors.js';

/** Lines longer than this are cut on the screen. */
const LONGEST = 4096;

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
 * Add styled text, up to a number of characters.
 * @param {HTMLElement} cell @param {any} line @param {number} most
 */
function write(cell, line, most) {
  let left = most;
  for (const piece of line.runs ?? [{ text: line.text ?? '' }]) {
    if (left <= 0) return;
    const cut = piece.text.length > left ? { ...piece, text: piece.text.slice(0, left) } : piece;
    const isPlain = piece.color === undefined && piece.background === undefined && !piece.attributes?.length;
    cell.append(isPlain ? cut.text : styled(cut));
    left -= cut.text.length;
  }
}

/** @param {any} line */
function text(line) {
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
  const length = (line.text ?? '').length;
  write(cell, line, LONGEST);
  if (length > LONGEST) {
    cell.append('… ', h('button', {
      class: 'quiet all', text: `show all (${bytes(length)})`,
      onclick: () => {
        cell.textContent = '';
        write(cell, line, Infinity);
      },
    }));
  }
  return cell;
}

/** @param {any} line */
function kind(line) {
  if (line.event === undefined) return 'row';
  return ['crash', 'crash-report', 'gap', 'broken'].includes(line.event) ? 'row event bad' : 'row event';
}

/** @param {any} line @returns {HTMLElement} */
export function row(line) {
  const date = new Date(line.time);
  const element = h('div', { class: kind(line), dataset: { cursor: line.cursor } },
    h('span', { class: 'time', title: full(date), text: clock(date), dataset: { full: full(date) } }),
    h('span', { class: 'name', text: line.name ?? '' }),
    text(line));
  const color = run.processes.get(line.name)?.color;
  if (color !== undefined) element.style.setProperty('--own', css(color));
  return element;
}
