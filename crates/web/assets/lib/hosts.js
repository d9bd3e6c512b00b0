// The hosts of a fleet. Each has a WebSocket of its own; the id of a run there is `HOST:ID` on this page.

import { Live } from './live.js';
import { Signal } from './signal.js';

/**
 * A host as the server knows it. `link` is `here`, `connecting` (for the first time), `up`, `lost`, or on this page `gone`,
 * if the host is not in the list (any more); `since` in nanoseconds.
 * @typedef {{ name: string, link: string, since: number | null, why: string | null }} Host
 */

/** The hosts, in the order of the file; none without a fleet. @type {Signal<Host[]>} */
export const hosts = new Signal(/** @type {Host[]} */ ([]));
/** The only host whose runs are listed; empty: all. */
export const onlyHost = new Signal('');

/** The host of a run; empty for this machine. @param {string | null} id */
export const hostOf = (id) => (id?.includes(':') ? id.slice(0, id.indexOf(':')) : '');

/** The host of a run, if it does not answer. @param {string | null} id @returns {Host | null} */
export function lostHost(id) {
  const name = hostOf(id);
  // Without hosts, they have not arrived yet, or there are none.
  if (!name || !hosts.value.length) return null;
  const known = hosts.value.find((host) => host.name === name) ?? { name, link: 'gone', since: null, why: null };
  return known.link === 'up' ? null : known;
}

/** The ids of runs that are accepted from a host. Other ones could lead a request to another path of this server. */
const ID = /^[0-9A-Za-z_-]+$/;

/** A frame as if it came from the server of this page. @param {string} host @param {any} frame */
export function ofHost(host, frame) {
  const far = (/** @type {any} */ id) => `${host}:${id}`;
  const runs = frame.runs?.filter((/** @type {any} */ { id }) => typeof id === 'string' && ID.test(id));
  return {
    ...frame, host,
    ...(frame.run !== undefined && { run: far(frame.run) }),
    ...(runs && { runs: runs.map((/** @type {any} */ one) => ({ ...one, id: far(one.id), at: host })) }),
  };
}

/** The connection of the page, and those to the hosts. */
export class Lives {
  /** @param {import('./live.js').Listener} listener */
  constructor(listener) {
    this.listener = listener;
    this.near = new Live(listener);
    /** @type {Map<string, Live>} */
    this.far = new Map();
    /** @type {string | null} */ this.run = null;
    hosts.watch(() => this.connect());
    document.addEventListener('visibilitychange', () => this.connect());
  }

  /** Connect with the hosts that answer, and only with them; a hidden page only with that of its run. */
  connect() {
    const isWanted = (/** @type {Host} */ { name, link }) => link === 'up' && (!document.hidden || name === hostOf(this.run));
    const up = hosts.value.filter(isWanted).map(({ name }) => name);
    for (const [name, live] of this.far) {
      if (up.includes(name)) continue;
      live.close();
      this.far.delete(name);
    }
    for (const name of up) {
      if (this.far.has(name)) continue;
      const onframe = (/** @type {any} */ frame) => this.listener.onframe(ofHost(name, frame));
      this.far.set(name, new Live({ onframe, onlink: () => {} }, name));
    }
    this.watch(this.run);
  }

  /** @param {string | null} run */
  watch(run) {
    this.run = run;
    const host = hostOf(run);
    this.near.watch(host ? null : run);
    for (const [name, live] of this.far) live.watch(name === host && run ? run.slice(name.length + 1) : null);
  }
}
