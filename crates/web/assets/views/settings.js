// The settings of this browser.

import { h } from '../lib/dom.js';
import { possible, want, wanted } from '../lib/notices.js';
import { logOut } from '../lib/session.js';
import { me, run } from '../lib/store.js';
import { short } from '../lib/time.js';
import { THEMES, choice, chooseTheme } from '../lib/theme.js';
import { dialog } from './dialog.js';

/** What each role can do. @type {Record<string, string>} */
const ROLES = {
  read: 'You can see states, logs and terminals, and change nothing.',
  operate: 'You can see everything, and start, stop and restart processes.',
  admin: 'You can do everything, as in a terminal on this machine.',
};

export function settings() {
  dialog('Settings', () => [
    h('fieldset', {}, h('legend', { text: 'Theme' }), ...THEMES.map(theme)),
    notices(),
    h('p', { class: 'dim', text: 'Kept in this browser only.' }),
    login(),
  ]);
}

function login() {
  const out = h('button', { text: 'Log out', onclick: () => logOut() });
  return h('fieldset', {}, h('legend', { text: 'Login' }), ...who(me.value).map((text) => h('p', { text })), out);
}

/** Who is logged in, and what that allows. @param {any} session @returns {string[]} */
function who(session) {
  if (!session) return ['The web server does not answer.'];
  const { user, role, until, is_limited: isLimited } = session;
  if (isLimited) {
    const names = [...run.processes.keys()].join(', ');
    return [`Guest${until ? `, until ${short(new Date(until))}` : ''}: can watch ${names || 'no process'}, and change nothing.`];
  }
  return [user ? `Logged in as ${user} (role: ${role}).` : `Logged in with a link (role: ${role}).`, ROLES[role] ?? ''];
}

/** @param {string} name */
function theme(name) {
  const label = name === 'auto' ? 'as the system' : name;
  const input = h('input', { type: 'radio', name: 'theme', value: name, onchange: () => chooseTheme(name) });
  /** @type {HTMLInputElement} */ (input).checked = name === choice;
  return h('label', { class: 'choice' }, input, ` ${label}`);
}

function notices() {
  const box = /** @type {HTMLInputElement} */ (h('input', { type: 'checkbox', disabled: !possible, onchange: () => change() }));
  const note = h('p', { class: 'dim', role: 'status' });
  box.checked = wanted();
  const change = async () => {
    const isOn = box.checked;
    box.checked = await want(isOn);
    note.textContent = isOn && !box.checked ? 'The browser does not allow it. Its settings for this page have a switch.' : '';
  };
  if (!possible) note.textContent = 'This browser has no notifications for pages.';
  return h('fieldset', {}, h('legend', { text: 'Notifications' }),
    h('label', { class: 'choice' }, box, ' when a process fails or waits for an answer while this page is not in view'), note);
}
