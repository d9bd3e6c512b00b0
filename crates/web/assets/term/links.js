// Links in a terminal. They lead only to the web, and open only after the user has seen the address.

import { h } from '../lib/dom.js';
import { webAddress, webLinks } from '../lib/links.js';
import { dialog } from '../views/dialog.js';

/** The longest address that a program may give a text, in characters. */
const LONGEST = 2048;
/** The most rows over which a link may be wrapped. */
const MOST_ROWS = 20;

/** Show where a link leads, and open it if the user agrees. @param {string} text */
export function openLink(text) {
  const url = webAddress(text);
  if (!url) return;
  const element = dialog('Open this link?', (close) => [
    h('p', {}, 'It leads to ', h('strong', { class: 'link-host', text: url.host }), ':'),
    h('pre', { class: 'link-address', text: url.href }),
    h('footer', {},
      h('button', { text: 'Cancel', onclick: close }),
      h('button', { text: 'Copy', onclick: () => navigator.clipboard.writeText(url.href) }),
      h('button', { text: 'Open', onclick: () => { close(); window.open(url.href, '_blank', 'noopener,noreferrer'); } })),
  ]);
  /** @type {HTMLElement | null} */ (element.querySelector('footer button'))?.focus();
}

/** Handles hyperlinks that a program has given a text of their own. */
export const linkHandler = {
  /** @param {MouseEvent} _event @param {string} text */
  activate: (_event, text) => openLink(text),
  allowNonHttpProtocols: false,
};

/** Finds links in the text of a terminal. */
export class LinkFinder {
  /** @param {any} terminal */
  constructor(terminal) {
    this.terminal = terminal;
  }

  /** @param {number} row counted from 1 @param {(links: any[] | undefined) => void} found */
  provideLinks(row, found) {
    const buffer = this.terminal.buffer.active;
    let first = row - 1;
    while (first > 0 && row - first < MOST_ROWS && buffer.getLine(first)?.isWrapped) first -= 1;
    let text = '';
    for (let at = first; at < first + MOST_ROWS; at += 1) {
      const line = buffer.getLine(at);
      if (!line || (at > first && !line.isWrapped)) break;
      text += line.translateToString(false);
    }
    const { cols } = this.terminal;
    const place = (/** @type {number} */ at) => ({ x: (at % cols) + 1, y: first + Math.floor(at / cols) + 1 });
    const links = webLinks(text).map(({ start, end, href }) => {
      const range = { start: place(start), end: place(end - 1) };
      return { text: text.slice(start, end), range, activate: () => openLink(href) };
    }).filter(({ range }) => range.start.y <= row && range.end.y >= row);
    found(links.length ? links : undefined);
  }
}

/** Whether a program's hyperlink sequence is too long and ignored. @param {string} data */
export function isTooLong(data) {
  return data.length > LONGEST;
}
