// Pages that are shown instead of everything else.

import { h } from '../lib/dom.js';

/** @param {string} title @param {...(Node | string)} content */
function alone(title, ...content) {
  document.title = `tmo – ${title}`;
  document.body.replaceChildren(h('main', { class: 'alone' }, h('h1', { text: title }), ...content));
}

/** @param {string} [why] */
export function loggedOut(why) {
  alone(
    'Not logged in',
    ...(why ? [h('p', { class: 'problem', text: why })] : []),
    h('p', {}, 'Open a link of this command, on the machine where tmo runs:'),
    h('pre', { text: 'tmo web --link' }),
    h('p', { class: 'dim', text: 'A link logs in one browser, once, within five minutes.' }),
  );
}

export function otherServer() {
  alone(
    'Another program answers at this address',
    h('p', {}, 'The web server of tmo that this page knows is gone. This page has stopped and sends nothing more.'),
    h('p', {}, 'Start it again, and open the link that it prints:'),
    h('pre', { text: 'tmo web' }),
  );
}
