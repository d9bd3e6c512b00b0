// What this page knows of the runs, kept by the frames of the WebSocket.

import { Signal } from './signal.js';
import { atNextFrame } from './dom.js';
import { setHostTime } from './time.js';

/** How many samples are kept of each process: one a second. */
const SAMPLES = 300;

/** All runs. @type {Signal<any[]>} */
export const runs = new Signal(/** @type {any[]} */ ([]));
/** Role and version. @type {Signal<any>} */
export const me = new Signal(null);
/** Whether the server answers. @type {Signal<'up' | 'down' | 'first'>} */
export const link = new Signal(/** @type {any} */ ('first'));
/** Whether the supervisor of the run answers. @type {Signal<'up' | 'gone' | 'over'>} */
export const supervisor = new Signal(/** @type {any} */ ('up'));
/** The number of records in the journal. @type {Signal<number>} */
export const head = new Signal(0);
/** Counts changes of the unfinished lines. */
export const unfinished = new Signal(0);
/** Counts changes of `run`. */
export const changes = new Signal(0);
/** The names that are shown in the log; null means all. @type {Signal<Set<string> | null>} */
export const shown = new Signal(/** @type {any} */ (null));

/** The run that is watched. */
export const run = {
  /** @type {string | null} */ id: null,
  /** @type {any} */ state: null,
  /** @type {Map<string, any>} */ processes: new Map(),
  /** Lines without an end yet. @type {any[]} */ unfinished: [],
  /** @type {Map<string, { now: any, cpu: number[], memory: number[], output: number[] }>} */ figures: new Map(),
};

const changed = atNextFrame(() => changes.set(changes.value + 1));

/** Forget the run. @param {string | null} id */
export function begin(id) {
  Object.assign(run, { id, state: null, processes: new Map(), figures: new Map(), unfinished: [] });
  unfinished.set(unfinished.value + 1);
  head.set(0);
  supervisor.set('up');
  changed();
}

/** @param {any} frame */
export function take(frame) {
  if (frame.run !== undefined && frame.run !== run.id) return;
  switch (frame.type) {
    case 'hello':
      setHostTime(Date.parse(frame.time));
      me.set(frame);
      break;
    case 'runs':
      runs.set(frame.runs);
      break;
    case 'state':
      run.state = frame.state;
      run.processes = new Map(frame.state.processes.map((/** @type {any} */ one) => [one.name, one]));
      supervisor.set(frame.state.pid ? 'up' : 'over');
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
      for (const one of frame.processes) sample(one);
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

/** @param {any} figures */
function sample(figures) {
  const kept = run.figures.get(figures.name) ?? { now: null, cpu: [], memory: [], output: [] };
  kept.now = figures;
  kept.cpu.push(figures.cpu_percent ?? 0);
  kept.memory.push(figures.memory_bytes);
  kept.output.push(figures.output_bytes_per_second ?? 0);
  for (const samples of [kept.cpu, kept.memory, kept.output]) if (samples.length > SAMPLES) samples.shift();
  run.figures.set(figures.name, kept);
}
