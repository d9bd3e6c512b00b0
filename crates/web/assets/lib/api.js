// Requests to the server.

import { doubt, hello, key, logOff } from './session.js';

/** An answer that is not a success. Its message is shown to the user. */
export class Refused extends Error {
  /** @param {number} status @param {string} reason */
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

/**
 * @param {string} method @param {string} path @param {object} [body] @param {AbortSignal} [signal]
 * @returns {Promise<Response>} an answer that is a success
 */
async function request(method, path, body, signal) {
  const send = () => {
    /** @type {Record<string, string>} */
    const headers = { 'x-tmo-key': key() };
    if (body) headers['content-type'] = 'application/json';
    // Requests of a hidden page do not renew the session.
    if (!document.hidden) headers['x-tmo-visible'] = '1';
    return fetch(path, { method, headers, body: body && JSON.stringify(body), signal }).catch((error) => {
      if (error?.name !== 'AbortError') doubt();
      throw error;
    });
  };
  if (!key()) await hello();
  let answer = await send();
  if (answer.status === 401) {
    // The server may have been replaced: exchange proofs again, once.
    await hello();
    answer = await send();
    if (answer.status === 401) logOff();
  }
  if (answer.ok) return answer;
  const refusal = await answer.json().catch(() => null);
  throw new Refused(answer.status, reason(refusal) ?? `the answer was ${answer.status}`);
}

/** @param {Response} answer @returns {Promise<any>} */
const json = (answer) => answer.json().catch(() => null);

/** The reason that an answer gives. @param {any} body @returns {string | null} */
export function reason(body) {
  if (!body) return null;
  // Hosts with an older version give a `reason`.
  if (body.error ?? body.reason) return body.error ?? body.reason;
  if (body.problems?.length) return body.problems.join('; ');
  if (body.unknown) return `no process has the name ${body.unknown.name}`;
  return null;
}

/** @param {string} path @param {AbortSignal} [signal] */
export async function get(path, signal) {
  return json(await request('GET', path, undefined, signal));
}

/**
 * Read a text, up to about `most` characters.
 * @param {string} path @param {number} most
 * @returns {Promise<{ text: string, isCut: boolean }>}
 */
export async function getText(path, most) {
  const answer = await request('GET', path);
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (reader) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
    if (text.length < most) continue;
    await reader.cancel();
    return { text: text.slice(0, text.lastIndexOf('\n') + 1), isCut: true };
  }
  return { text, isCut: false };
}

/** @param {string} path @param {object} [body] */
export async function post(path, body) {
  return json(await request('POST', path, body));
}

/**
 * Query parameters; a list becomes several of the same name. `name` means exactly these processes, not all instances
 * of an entry.
 * @param {Record<string, any>} values
 */
export function query(values) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === null || value === false || value === '') continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, name === 'name' ? `=${one}` : String(one));
  }
  return search.size ? `?${search}` : '';
}
