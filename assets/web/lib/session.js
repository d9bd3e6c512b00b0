// The session of this page: logging in, and the proofs that page and server give each other.
//
// The server proves first that it knows the key. A page that meets another program at its address stops.

import { Signal } from './signal.js';

const STORE = 'tmo-session';
/** The key of this browser for its next login with a password. */
const DEVICE = 'tmo-device';

/** Another program answers at this address. */
export class OtherServer extends Error {}
/** Nobody is logged in. */
export class LoggedOut extends Error {}

/** Why this page can't go on. @type {Signal<'other' | 'out' | null>} */
export const ended = new Signal(/** @type {any} */ (null));
/** @type {{ session: string, key: string } | null} */
let known = stored(STORE, ['session', 'key']);
/** What proves to the server that this page knows the key. */
let proof = '';
let stopped = false;
/** The proofs that are on their way. @type {Promise<void> | null} */
let pending = null;

/** What this browser keeps by a name, if it has these texts. @param {string} name @param {string[]} texts @returns {any} */
function stored(name, texts) {
  try {
    const found = JSON.parse(localStorage.getItem(name) ?? 'null');
    return found && texts.every((text) => typeof found[text] === 'string') ? found : null;
  } catch {
    return null;
  }
}

/** @param {string} hex */
function bytes(hex) {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** @param {ArrayBuffer | Uint8Array} data */
function hex(data) {
  return Array.from(new Uint8Array(data), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param {string} key @param {...string} parts */
async function mac(key, ...parts) {
  const usage = { name: 'HMAC', hash: 'SHA-256' };
  const imported = await crypto.subtle.importKey('raw', bytes(key), usage, false, ['sign']);
  return hex(await crypto.subtle.sign('HMAC', imported, new TextEncoder().encode(parts.join('\n'))));
}

function nonce() {
  return hex(crypto.getRandomValues(new Uint8Array(16)));
}

/** @param {string} path @param {object} body */
async function post(path, body) {
  if (stopped) throw new OtherServer();
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(said.reason ?? `status ${answer.status}`), { status: answer.status });
  return said;
}

function stop() {
  stopped = true;
  ended.set('other');
  throw new OtherServer();
}

/**
 * Log in with a link.
 * @param {string} text id and secret, with a dot between them
 */
export async function logIn(text) {
  const [id, secret] = text.split('.');
  const mine = nonce();
  const { nonce: theirs, proof: given } = await post('/login', { id, nonce: mine });
  if (given !== (await mac(secret, 'tmo web login server', mine, theirs))) stop();
  const own = await mac(secret, 'tmo web login page', mine, theirs);
  const { session } = await post('/login/finish', { id, nonce: mine, proof: own });
  known = { session, key: await mac(secret, 'tmo web key', mine, theirs) };
  localStorage.setItem(STORE, JSON.stringify(known));
}

/**
 * Log in with a name and a password, which become a link. They are sent only over TLS, and in a browser that has
 * logged in before only to a server that proves that it is the same one.
 * @param {string} name @param {string} password
 */
export async function logInAs(name, password) {
  const before = stored(DEVICE, ['name', 'id', 'key']);
  let device = null;
  if (before) {
    const mine = nonce();
    const { proof: given } = await post('/login/device', { name: before.name, device: before.id, nonce: mine });
    if (given !== (await mac(before.key, 'tmo web device server', mine))) stop();
    if (before.name === name) device = `${before.id}.${mine}.${await mac(before.key, 'tmo web device page', mine)}`;
  }
  const { login, device: fresh } = await post('/login/password', { name, password, device });
  if (fresh) localStorage.setItem(DEVICE, JSON.stringify({ name, id: fresh.id, key: fresh.key }));
  await logIn(login);
}

/** @returns {never} */
export function logOff() {
  ended.set('out');
  throw new LoggedOut('not logged in');
}

/** Let the server prove that it knows the key; from then on this page proves it too. */
export function hello() {
  pending ??= prove().finally(() => { pending = null; });
  return pending;
}

async function prove() {
  if (!known) return logOff();
  const mine = nonce();
  let given;
  try {
    ({ proof: given } = await post('/hello', { session: known.session, nonce: mine }));
  } catch (error) {
    if (/** @type {any} */ (error).status === 401) return logOff();
    throw error;
  }
  if (given !== (await mac(known.key, 'tmo web server', mine))) stop();
  proof = `${known.session}.${mine}.${await mac(known.key, 'tmo web page', mine)}`;
}

/**
 * The server may be another one now: send no proof before it has proven anew that it knows the key.
 */
export function doubt() {
  proof = '';
}

/** The proof for headers and WebSockets. */
export function key() {
  if (stopped) throw new OtherServer();
  return proof;
}

/** A WebSocket of this session. @param {string} path @param {string} protocol */
export function openSocket(path, protocol) {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  return new WebSocket(`${scheme}://${location.host}${path}`, [protocol, `key.${key()}`]);
}

/** End the session. */
export async function logOut() {
  await hello();
  await fetch('/logout', { method: 'POST', headers: { 'x-tmo-key': key() } });
  localStorage.removeItem(STORE);
}
