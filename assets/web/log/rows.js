// A line of the log as an element.

import { h } from '../lib/dom.js';
import { run } from '../lib/store.js';
import { clock, full } from '../lib/time.js';
import { css } from './colors.js';

/** Longer lines are cut on the screen. */
const LONGEST = 4096;

/** What happened, in words; null for what nobody needs to read. @param {any} line @returns {string | null} */
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
    case 'crash-report':
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
  let { color, background } = piece;
  const attributes = piece.attributes ?? [];
  if (attributes.includes('reverse')) [color, background] = [background ?? 0, color ?? 7];
  if (color !== undefined) span.style.color = css(color);
  if (background !== undefined) span.style.background = css(background, true);
  for (const attribute of attributes) span.classList.add(`a-${attribute}`);
  return span;
}

/** @param {any} line */
function text(line) {
  const cell = h('span', { class: 'text' });
  if (line.event !== undefined) {
    cell.textContent = words(line) ?? '';
    return cell;
  }
  const whole = line.text ?? '';
  if (whole.length > LONGEST) {
    const more = h('button', { class: 'quiet', text: `show all (${whole.length} characters)`, onclick: () => { cell.textContent = whole; } });
    cell.append(whole.slice(0, LONGEST), '… ', more);
  } else if (line.runs) {
    for (const piece of line.runs) {
      const plainPiece = piece.color === undefined && piece.background === undefined && !piece.attributes?.length;
      cell.append(plainPiece ? piece.text : styled(piece));
    }
  } else {
    cell.textContent = whole;
  }
  return cell;
}

/** @param {any} line */
function kind(line) {
  if (line.event === undefined) return 'row';
  return ['crash-report', 'gap', 'broken'].includes(line.event) ? 'row event bad' : 'row event';
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
  if (line.lost) element.before(h('div', { class: 'row event', text: `${line.lost} bytes are missing here` }));
  return element;
}
