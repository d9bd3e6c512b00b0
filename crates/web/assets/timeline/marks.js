// The events of the processes, read from the journal: backwards for the past, and forwards as they happen.

import { get, query } from '../lib/api.js';
import { prompt } from '../lib/asking.js';
import { run } from '../lib/store.js';
import { hostTime, ms } from '../lib/time.js';

/**
 * @typedef {'start' | 'ready' | 'end' | 'crash' | 'failed' | 'skipped' | 'flag' | 'gap' | 'asked' | 'begin' | 'over'} What
 * @typedef {{ what: What, time: number, cursor: string, text: string, line?: string }} Mark `line` is the line of a flag
 */

const PAGE = 1000;
/** The most entries that are read, and the most marks of a process that are kept. Older events have no marks. */
const MOST = 20_000;

/** The assumed length of a run without any mark, in milliseconds. */
const SHORTEST = 60 * 60_000;

/** @param {any} line @returns {What | null} */
function whatOf(line) {
  switch (line.event) {
    case 'start': return 'start';
    case 'ready': return 'ready';
    case 'exit': return line.code === 0 ? 'end' : 'crash';
    case 'failing': case 'unhealthy': case 'broken': return 'failed';
    case 'skipped': return 'skipped';
    case 'flag': return 'flag';
    case 'gap': return 'gap';
    // An installation ends by itself, whatever its exit code is.
    case 'installing': case 'interrupting': case 'killing': case 'hangup': return 'asked';
    case 'install-failed': return line.why?.kind === 'interrupted' ? null : 'failed';
    case 'begin': return 'begin';
    case 'end': return 'over';
    default: return null;
  }
}

/** @param {What} what @param {any} line */
function wordsOf(what, line) {
  switch (what) {
    case 'start': return `▶ started, life ${line.life}`;
    case 'ready': return '● ready';
    case 'end': case 'crash': return line.signal === undefined ? `exited with code ${line.code}` : `ended by signal ${line.signal}`;
    case 'flag': return `⚑ ${line.flag}: ${line.line}`;
    case 'gap': return '⋯ output is missing';
    default: return line.text ?? what;
  }
}

/** A process that was stopped has not crashed, whatever its exit code is. @param {Mark[]} marks */
function settle(marks) {
  let wasAsked = false;
  for (const mark of marks) {
    if (mark.what === 'crash' && wasAsked) mark.what = 'end';
    if (mark.what === 'asked') wasAsked = true;
    else if (mark.what === 'start' || mark.what === 'failed') wasAsked = false;
  }
}

export class Marks {
  /** @param {string} run */
  constructor(run) {
    this.run = run;
    /** By process, in the order of time. @type {Map<string, Mark[]>} */ this.of = new Map();
    /** When runs began and ended, in the order of time. @type {Mark[]} */ this.runs = [];
    /** @type {string} */ this.top = 'end';
    /** @type {string | null} */ this.bottom = null;
    /** Everything since this time has been read. */
    this.since = Infinity;
    this.count = 0;
  }

  /**
   * Read one step forwards, and one step backwards to the time `from`.
   * @param {number} from @param {AbortSignal} signal
   * @returns {Promise<boolean>} whether there is more to read
   */
  async read(from, signal) {
    const newer = this.bottom !== null && (await this.forward(signal));
    const older = this.since > from && this.count < MOST && (await this.back(signal));
    return newer || (older && this.since > from && this.count < MOST);
  }

  /** @param {AbortSignal} signal */
  async back(signal) {
    const page = await this.page({ before: this.top }, signal);
    this.add(page.lines, true);
    if (this.bottom === null) this.bottom = page.lines.at(-1)?.cursor ?? null;
    this.top = page.previous ?? this.top;
    this.since = page.more ? Math.min(this.since, Date.parse(page.lines[0]?.time) || this.since) : -Infinity;
    return page.more;
  }

  /** @param {AbortSignal} signal */
  async forward(signal) {
    const page = await this.page({ after: this.bottom }, signal);
    if (page.reset) Object.assign(this, new Marks(this.run));
    this.add(page.lines, false);
    this.bottom = page.next ?? this.bottom;
    return page.more;
  }

  /** @param {object} place @param {AbortSignal} signal */
  page(place, signal) {
    return get(`/r/${this.run}/api/lines${query({ events: true, step: true, limit: PAGE, ...place })}`, signal);
  }

  /** @param {any[]} lines @param {boolean} isBefore whether they are older than all known lines */
  add(lines, isBefore) {
    /** @type {Map<string, Mark[]>} */
    const found = new Map();
    /** @type {Mark[]} */
    const runs = [];
    this.count += lines.length;
    for (const line of lines) {
      const what = whatOf(line);
      if (!what) continue;
      const mark = { what, time: Date.parse(line.time), cursor: line.cursor, text: wordsOf(what, line), line: line.line };
      if (what === 'begin' || what === 'over') runs.push(mark);
      else if (found.has(line.name)) found.get(line.name)?.push(mark);
      else found.set(line.name, [mark]);
    }
    this.runs = isBefore ? [...runs, ...this.runs] : [...this.runs, ...runs];
    for (const [name, marks] of found) {
      const known = this.of.get(name) ?? [];
      const all = isBefore ? [...marks, ...known] : [...known, ...marks].slice(-MOST);
      settle(all);
      this.of.set(name, all);
    }
  }

  /** When the newest run began, or the first known time. */
  get begin() {
    const begin = this.runs.findLast((mark) => mark.what === 'begin');
    return begin?.time ?? Math.min(hostTime() - SHORTEST, ...[...this.of.values()].map((marks) => marks[0].time));
  }

  /** The last known time. */
  get end() {
    return Math.max(this.runs.at(-1)?.time ?? 0, ...[...this.of.values()].map((marks) => marks[marks.length - 1].time));
  }
}

/** The prompt at which a process waits, as a mark of the log's end. @param {string} name @returns {Mark | null} */
export function promptOf(name) {
  const process = run.processes.get(name);
  const text = process ? prompt(process) : null;
  if (text === null) return null;
  return { what: 'flag', time: ms(process.prompt.since), cursor: '', text: `◌ waits for an answer: ${text}` };
}

/**
 * When a process ran, as pairs of times.
 * @param {Mark[]} marks @param {Mark[]} runs @param {number} from @param {number} until
 * @param {boolean} runsNow
 * @returns {[number, number][]}
 */
export function spansOf(marks, runs, from, until, runsNow) {
  /** @type {[number, number][]} */
  const spans = [];
  /** @type {number | null} */
  let since = from;
  let isKnown = false;
  const end = (/** @type {number} */ time) => {
    if (since !== null && time >= from && since <= until) spans.push([Math.max(since, from), Math.min(time, until)]);
    since = null;
  };
  const breaks = runs.filter((mark) => mark.time > from && mark.time < until);
  for (const mark of [...marks, ...breaks].sort((a, b) => a.time - b.time)) {
    if (mark.what === 'start') {
      if (isKnown) end(mark.time);
      since = mark.time;
    } else if (mark.what === 'end' || mark.what === 'crash') end(mark.time);
    else if (mark.what !== 'begin' && mark.what !== 'over') continue;
    else if (isKnown) end(mark.time);
    else since = null;
    isKnown = true;
  }
  if (runsNow) end(until);
  return spans;
}
