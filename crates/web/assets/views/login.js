// The full pages: the login, and the warning about another program.

import { h, setText } from '../lib/dom.js';
import { OtherServer, logInAs } from '../lib/session.js';

/** @param {string} title @param {...(Node | string)} content */
function alone(title, ...content) {
  document.title = `tmo – ${title}`;
  document.body.replaceChildren(h('main', { class: 'alone' }, h('h1', { text: title }), ...content));
}

/** The form for name and password, which are accepted only over TLS. */
function passwordForm() {
  const name = /** @type {HTMLInputElement} */ (h('input', { name: 'name', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', required: true }));
  const password = /** @type {HTMLInputElement} */ (h('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true }));
  const button = /** @type {HTMLButtonElement} */ (h('button', { type: 'submit', text: 'Log in' }));
  const problem = h('p', { class: 'problem', role: 'alert' });
  const logIn = async (/** @type {Event} */ event) => {
    event.preventDefault();
    button.disabled = true;
    setText(problem, '');
    try {
      await logInAs(name.value.trim(), password.value);
      location.reload();
    } catch (error) {
      if (error instanceof OtherServer) return otherServer();
      setText(problem, /** @type {Error} */ (error).message);
      button.disabled = false;
    }
    return undefined;
  };
  return h('form', { class: 'login', onsubmit: logIn }, h('label', {}, 'Name', name), h('label', {}, 'Password', password), button, problem);
}

/** @param {string} [why] */
export function loggedOut(why) {
  alone(
    'Not logged in',
    ...(why ? [h('p', { class: 'problem', text: why })] : []),
    ...(location.protocol === 'https:' ? [passwordForm()] : []),
    h('p', {}, location.protocol === 'https:' ? 'Or open a link of this command, on the machine where tmo runs:' : 'Open a link of this command, on the machine where tmo runs:'),
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
