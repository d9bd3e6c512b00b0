// The state of the runs on this page, updated by the frames of the WebSocket.

import { get } from './api.js';
import { Signal } from './signal.js';
import { atNextFrame } from './dom.js';
import { beginFigures, fetchFigures, seconds, takeFigures } from './figures.js';
import { hostOf, hosts, lostHost } from './hosts.js';
import { setSkew, span } from './time.js';

/** All runs. @type {Signal<any[]>} */
export const runs = new Signal(/** @type {any[]} */ ([]));
/** Role and version. @type {Signal<any>} */
export const me = new Signal(null);
/** Whether the server answers. @type {Signal<'up' | 'down' | 'first'>} */
export const link = new Signal(/** @type {any} */ ('first'));
/** When the server was heard last, in milliseconds. It says something every five seconds. */
let heard = Date.now();
/** How long the server has been silent, if that is too long: `12 s`. */
export function silence() {
  const quiet = Date.now() - heard;
  return link.value === 'up' && quiet > 12_000 ? span(quiet) : '';
}
/** Whether the supervisor of the run answers. @type {Signal<'up' | 'gone' | 'over'>} */
export const supervisor = new Signal(/** @type {any} */ ('up'));
/** Whether the web server has announced its end. @type {Signal<boolean>} */
export const isGone = new Signal(false);
/** The number of records in the journal. @type {Signal<number>} */
export const head = new Signal(0);
/** Counts changes of the unfinished lines. */
export const unfinished = new Signal(0);
/** Counts changes of `run`. */
export const changes = new Signal(0);
/** The names that are shown in the log; null means all. @type {Signal<Set<string> | null>} */
export const shown = new Signal(/** @type {any} */ (null));

/** The watched run. */
export const run = {
  /** @type {string | null} */ id: null,
  /** @type {any} */ state: null,
  /** @type {Map<string, any>} */ processes: new Map(),
  /** Lines without an end yet. @type {any[]} */ unfinished: [],
  /** How it ended, in words that follow "it"; empty while that is not known. */ ended: '',
  /** What they use. */ figures: seconds.processes,
};

const changed = atNextFrame(() => changes.set(changes.value + 1));

/** Forget the run. @param {string | null} id */
export function begin(id) {
  Object.assign(run, { id, state: null, processes: new Map(), unfinished: [], ended: '' });
  beginFigures(id);
  if (link.value === 'up') fillFigures();
  unfinished.set(unfinished.value + 1);
  head.set(0);
  supervisor.set('up');
  setSkew(skews.get(hostOf(id)));
  changed();
}

/**
 * The names that an address has: `web,api`, or `!web,api` for all others, also for those that come later. None means all.
 * @param {string} [text]
 */
export function named(text = '') {
  const names = text.replace(/^!/, '').split(',').filter(Boolean);
  return text.startsWith('!') ? [...run.processes.keys()].filter((name) => !names.includes(name)) : names;
}

/** The runs of each host whose list has arrived. Those of this machine have no name. @type {Map<string, any[]>} */
const lists = new Map();
/** How far the clock of each host is ahead of the browser's, in milliseconds. @type {Map<string, number>} */
const skews = new Map();

/** Show the runs of all hosts, in the order of the hosts. */
function list() {
  const names = hosts.value.map(({ name }) => name);
  runs.set(['', ...names].flatMap((name) => lists.get(name) ?? []));
}

/** Whether the address names a run that does not exist. */
export const isUnknownRun = () => lists.has(hostOf(run.id)) && run.id !== null && !run.state && !runs.value.some((one) => one.id === run.id);

/** Fetch the earlier samples of the processes' resource use. */
const fillFigures = () => { fetchFigures(seconds, changed); };
document.addEventListener('visibilitychange', fillFigures);

/** Whether the watched run samples the resource use of its processes. */
export const hasFigures = () => runs.value.find((one) => one.id === run.id)?.metrics !== false;

/** The name of a process for people. @param {string} name @returns {string} */
export const labelOf = (name) => run.processes.get(name)?.display || name;

/** Whether this session may start and stop processes, and the run can carry that out. */
export const canAct = () => me.value?.role !== 'read' && supervisor.value !== 'over' && !isGone.value && !lostHost(run.id);

/** Read why a run has ended. A limited session can't ask, as causes may name other processes. @param {string | null} id */
async function readReason(id) {
  if (!me.value || me.value.is_limited) return;
  try {
    const { runEnded } = await get(`/r/${id}/api/why`);
    if (run.id === id && supervisor.value === 'over') run.ended = runEnded ?? '';
    changed();
  } catch {
    // That it has ended is known all the same.
  }
}

/** @param {any} frame */
export function take(frame) {
  if (!frame.host) heard = Date.now();
  if (frame.run !== undefined && frame.run !== run.id) return;
  switch (frame.type) {
    case 'hello':
      skews.set(frame.host ?? '', Date.parse(frame.time) - Date.now());
      setSkew(skews.get(hostOf(run.id)));
      fillFigures();
      // What the session may do is the same on all hosts.
      if (frame.host) break;
      isGone.set(false);
      me.set(frame);
      break;
    case 'hosts':
      // A host knows no others.
      if (frame.host) break;
      hosts.set(frame.hosts);
      list();
      changed();
      break;
    case 'runs':
      lists.set(frame.host ?? '', frame.runs);
      list();
      break;
    case 'state':
      run.state = frame.state;
      run.processes = new Map(frame.processes.map((/** @type {any} */ one) => [one.name, one]));
      supervisor.set(frame.state.pid ? 'up' : 'over');
      run.ended = '';
      if (!frame.state.pid) readReason(run.id);
      changed();
      break;
    case 'process':
      run.processes.set(frame.process.name, frame.process);
      changed();
      break;
    case 'head':
      head.set(frame.records);
      break;
    case 'unfinished':
      run.unfinished = frame.lines;
      unfinished.set(unfinished.value + 1);
      changed();
      break;
    case 'figures':
      takeFigures(frame);
      changed();
      break;
    case 'bye':
      // A host that ends its bridge is lost, which the server tells.
      if (frame.host) break;
      isGone.set(frame.why === 'shutdown');
      changed();
      break;
    case 'gone':
      supervisor.set('gone');
      break;
    case 'end':
      supervisor.set('over');
      break;
  }
}
