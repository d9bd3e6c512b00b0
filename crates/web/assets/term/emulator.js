// xterm.js, configured so that the output of a program can only be displayed.

import { documentForTerminal } from './styles.js';
import { LinkFinder, isTooLong, linkHandler } from './links.js';
import { Terminal } from '../vendor/xterm/xterm.mjs';

/** The size of the text, in pixels. */
export const FONT_SIZE = 13;

const COLORS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];

/** The colours of the page. */
function theme() {
  const style = getComputedStyle(document.documentElement);
  const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  /** @type {Record<string, string>} */
  const colors = {
    background: color('--page'), foreground: color('--text'), cursor: color('--text'),
    cursorAccent: color('--page'), selectionBackground: color('--mark'),
  };
  COLORS.forEach((name, at) => {
    colors[name] = color(`--c${at}`);
    colors[`bright${name[0].toUpperCase()}${name.slice(1)}`] = color(`--c${at + 8}`);
  });
  return colors;
}

/** @param {{ isLooking: boolean, isRead: boolean }} how */
export function emulator({ isLooking, isRead }) {
  const terminal = new Terminal(/** @type {any} */ ({
    documentOverride: documentForTerminal, theme: theme(), fontSize: FONT_SIZE, scrollback: isLooking ? 0 : 2000,
    // The theme's black is text; on coloured backgrounds xterm.js makes it readable.
    minimumContrastRatio: 4.5,
    fontFamily: 'ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace',
    disableStdin: isLooking, screenReaderMode: isRead, allowProposedApi: false, windowOptions: {}, linkHandler,
  }));
  terminal.registerLinkProvider(new LinkFinder(terminal));
  // Programs can neither set the clipboard nor hide a long link: a handler that returns true ends the handling.
  terminal.parser.registerOscHandler(52, () => true);
  terminal.parser.registerOscHandler(8, isTooLong);
  return terminal;
}

/** Follow the theme of the page until the returned function is called. @param {any} terminal */
export function followTheme(terminal) {
  const observer = new MutationObserver(() => { terminal.options.theme = theme(); });
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  return () => observer.disconnect();
}
