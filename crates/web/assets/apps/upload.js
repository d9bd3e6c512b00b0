// Requests to list, upload and remove apps.

import { Refused, get, post, query, reason } from '../lib/api.js';
import { hello, key } from '../lib/session.js';
import { run } from '../lib/store.js';

/** The largest archive, in bytes. */
export const LARGEST = 50 * 1024 * 1024;

/** @param {string} [name] */
const path = (name) => `/r/${run.id}/apps${name ? `/${encodeURIComponent(name)}` : ''}`;

/** @returns {Promise<any[]>} */
export async function listApps() {
  return (await get(path())).apps;
}

/** @param {string} name */
export function removeApp(name) {
  return post(`${path(name)}/remove`);
}

/**
 * Send an archive. This uses XMLHttpRequest, as `fetch` reports no upload progress.
 * @param {string} name @param {File} file
 * @param {{ script?: string, arg?: string[], start?: string, update?: string }} settings
 * @param {(part: number) => void} onprogress called with the part that was sent, from 0 to 1
 * @returns {Promise<any>}
 */
export async function sendApp(name, file, settings, onprogress) {
  // Renew the proof first: repeating an upload after a 401 is expensive.
  await hello();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', path(name) + query(settings));
    request.setRequestHeader('x-tmo-key', key());
    request.setRequestHeader('content-type', 'application/zip');
    request.upload.onprogress = (event) => onprogress(event.total ? event.loaded / event.total : 1);
    request.onerror = () => reject(new Refused(0, 'the upload was cut off'));
    request.onload = () => {
      let body = null;
      try { body = JSON.parse(request.responseText); } catch { /* not an answer of the web server itself */ }
      if (request.status === 202) resolve(body);
      else reject(new Refused(request.status, reason(body) ?? `the answer was ${request.status}`));
    };
    request.send(new Blob([file], { type: 'application/zip' }));
  });
}
