// Saves a part of the page as a single, self-contained HTML file without scripts.

import { theme } from './theme.js';

const LOOKS = `
body { margin: 24px auto; max-width: 1100px; padding: 0 16px; background: var(--page); color: var(--text); font: 14px/1.45 system-ui, sans-serif; }
.sentence { font-size: 18px; font-weight: 600; } .kind-bad, .bad .text { color: var(--bad); } .dim, h3, dt { color: var(--dim); }
h3 { font-size: 13px; margin: 18px 0 4px; } dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; } dd { margin: 0; overflow-wrap: anywhere; }
pre, code, .around { font: 12.5px/18px ui-monospace, Menlo, Consolas, monospace; }
pre, .around { overflow: auto; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 8px 10px; margin: 6px 0; }
.cause { font-weight: 600; } .row { display: flex; border-left: 3px solid transparent; padding: 0 8px; } .row.own, .row.bad { border-left-color: var(--bad); background: var(--row); }
.time { flex: none; width: 9ch; color: var(--dim); } .name { flex: none; width: 14ch; font-weight: 600; color: var(--own, var(--dim)); overflow: hidden; text-overflow: ellipsis; }
.row .text { white-space: pre; } .event .text, .gap .text { color: var(--dim); font-style: italic; }
.a-bold { font-weight: 700; } .a-dim { opacity: .75; } .a-italic { font-style: italic; } .a-underlined { text-decoration: underline; } .a-struck { text-decoration: line-through; }
`;

/** The current colours of the page. */
function colors() {
  const style = getComputedStyle(document.documentElement);
  const names = ['page', 'panel', 'row', 'line', 'text', 'dim', 'bad', ...Array.from({ length: 16 }, (_, at) => `c${at}`)];
  const values = names.map((name) => `--${name}: ${style.getPropertyValue(`--${name}`).trim()};`);
  return `:root { color-scheme: ${theme.value}; ${values.join(' ')} }\n`;
}

/**
 * Copy an element into another document, without buttons. Inline styles become classes.
 * @param {Node} node @param {Document} to @param {Map<string, string>} classes names of classes by their CSS
 * @returns {Node | null}
 */
function copy(node, to, classes) {
  if (!(node instanceof Element)) return to.createTextNode(node.nodeValue ?? '');
  if (node.matches('button, [hidden]')) return null;
  const element = to.createElement(node.localName);
  const names = [...node.classList];
  const css = node instanceof HTMLElement ? node.style.cssText : '';
  if (css) {
    if (!classes.has(css)) classes.set(css, `s${classes.size}`);
    names.push(/** @type {string} */ (classes.get(css)));
  }
  if (names.length) element.className = names.join(' ');
  if (node.hasAttribute('title')) element.title = node.getAttribute('title') ?? '';
  for (const child of node.childNodes) {
    const copied = copy(child, to, classes);
    if (copied) element.append(copied);
  }
  return element;
}

/** @param {string} text */
async function hash(text) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return btoa(String.fromCharCode(...digest));
}

/** The file as text. Its elements are not in this document, whose policy forbids inline styles. @param {Element} content @param {string} title */
export async function standalone(content, title) {
  const to = document.implementation.createHTMLDocument();
  const make = (/** @type {string} */ tag, /** @type {Record<string, string>} */ attributes = {}, text = '') => {
    const element = to.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.textContent = text;
    return element;
  };
  /** @type {Map<string, string>} */
  const classes = new Map();
  const body = make('body');
  body.append(copy(content, to, classes) ?? '');
  const css = colors() + LOOKS + [...classes].map(([rules, name]) => `.${name} { ${rules} }`).join('\n');
  const policy = `default-src 'none'; style-src 'sha256-${await hash(css)}'; base-uri 'none'; form-action 'none'`;
  const head = make('head');
  head.append(make('meta', { charset: 'utf-8' }), make('meta', { 'http-equiv': 'Content-Security-Policy', content: policy }),
    make('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }), make('title', {}, title), make('style', {}, css));
  const page = make('html', { lang: 'en' });
  page.append(head, body);
  return `<!doctype html>\n${new XMLSerializer().serializeToString(page)}\n`;
}

/** @param {Element} content @param {string} title @param {string} name of the file, without extension @returns {Promise<string>} the full name */
export async function saveAsPage(content, title, name) {
  const file = `${name.replace(/[^\w.-]+/g, '_')}.html`;
  const address = URL.createObjectURL(new Blob([await standalone(content, title)], { type: 'text/html' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = file;
  link.click();
  // The browser reads the file after this.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  return file;
}
