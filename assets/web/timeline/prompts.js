// Processes that wait for an answer: the last thing that they have printed has no line break.

import { get, query } from '../lib/api.js';
import { run } from '../lib/store.js';

/** A line that is still being printed is not a prompt. */
const PATIENCE = 2000;

export class Prompts {
  /** @param {string} id the run */
  constructor(id) {
    this.id = id;
    /** @type {Map<string, import('./marks.js').Mark>} */ this.of = new Map();
    /** The life in which each silent process was looked at. @type {Map<string, number>} */ this.seen = new Map();
  }

  /** Look at those that have fallen silent. @param {string[]} names @param {AbortSignal} signal */
  async read(names, signal) {
    for (const name of names) {
      const process = run.processes.get(name);
      const isBusy = !process?.pid || (run.figures.get(name)?.now.output_bytes_per_second ?? 0) > 0;
      if (isBusy || this.seen.get(name) !== process.lives) this.of.delete(name);
      if (isBusy) this.seen.delete(name);
      if (isBusy || this.seen.get(name) === process.lives) continue;
      this.seen.set(name, process.lives);
      const page = await get(`/r/${this.id}/api/lines${query({ name, before: 'end', limit: 1 })}`, signal);
      const line = page.lines.at(-1);
      if (!line?.unfinished || line.event) continue;
      const time = Date.parse(line.time);
      if (Date.now() - time < PATIENCE) this.seen.delete(name);
      else this.of.set(name, { what: 'flag', time, cursor: line.cursor, text: `◌ waits for an answer: ${line.text}` });
    }
  }

  /** Look at all of them again. */
  forget() {
    this.seen.clear();
  }
}
