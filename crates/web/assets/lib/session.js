// The session of this page: the login, and the proofs that page and server exchange.
//
// The server proves first that it knows the key. If another program answers at the address, the page stops.

import { Signal } from './signal.js';

const STORE = 'tmo-session';
/** Where this browser keeps its key for the next login with a password. */
const DEVICE = 'tmo-device';

/** Another program answers at this address. */
export class OtherServer extends Error {}
/** This browser is not logged in. */
export class LoggedOut extends Error {}

/** Why this page can't continue. @type {Signal<'other' | 'out' | null>} */
export const ended = new Signal(/** @type {any} */ (null));
/** @type {{ session: string, key: string } | null} */
let known = stored(STORE, ['session', 'key']);
/** Proves to the server that this page knows the key. */
let proof = '';
let stopped = false;
/** The exchange of proofs that is under way. @type {Promise<void> | null} */
let pending = null;

/** Read an object from the storage of this browser, if it has these texts. @param {string} name @param {string[]} texts @returns {any} */
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
  const given = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(given.error ?? `status ${answer.status}`), { status: answer.status });
  return given;
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
 * Log in with a name and a password, which the server exchanges for a link. They are sent only over TLS. A browser
 * that has logged in before sends them only to a server that proves to be the same one.
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

/** This browser is not logged in any more. A page that has stopped because of another program stays so. */
function endSession() {
  if (!stopped) ended.set('out');
}

/** @returns {never} */
export function logOff() {
  endSession();
  throw new LoggedOut('not logged in');
}

/** Have the server prove that it knows the key. From then on, this page proves it with each request. */
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
 * Forget the proof, as another server may answer now: it must first prove again that it knows the key.
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
  known = null;
  endSession();
}
