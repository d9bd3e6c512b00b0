// Samples of all processes in lists of the same length, oldest first. A value is null if the process was not
// running, no sample was taken, or it is not known, as the CPU time in the first sample of a life.

/** @typedef {(number | null)[]} Values */
/** @typedef {{ now: any, cpu: Values, memory: Values, output: Values }} Used `now` is the last sample in full */

/** The lists of a process, and their names in answers of the server. */
const PARTS = /** @type {const} */ ([['cpu', 'cpu_percent'], ['memory', 'memory_bytes'], ['output', 'output_bytes_per_second']]);

export class Ring {
  /** @param {number} interval seconds between two samples @param {number} most how many are kept */
  constructor(interval, most) {
    this.interval = interval;
    this.most = most;
    /** Counts changes. */
    this.version = 0;
    /** @type {Map<string, Used>} */ this.processes = new Map();
    this.clear();
  }

  clear() {
    this.processes.clear();
    this.version += 1;
    /** The number of the last sample. */
    this.last = 0;
    this.length = 0;
    /** The time of the last sample, in milliseconds. */
    this.time = 0;
  }

  /** When a sample was taken, in milliseconds. @param {number} at */
  timeAt(at) {
    return this.time - (this.length - 1 - at) * this.interval * 1000;
  }

  /** @param {string} name @returns {Used} */
  of(name) {
    let used = this.processes.get(name);
    if (!used) {
      const empty = () => /** @type {Values} */ (Array(this.length).fill(null));
      used = { now: null, cpu: empty(), memory: empty(), output: empty() };
      this.processes.set(name, used);
    }
    return used;
  }

  /** Make room up to the sample with this number. @param {number} number */
  reach(number) {
    const added = Math.min(this.most, number - this.last);
    if (added <= 0) return;
    const length = Math.min(this.most, this.length + added);
    for (const used of this.processes.values()) {
      for (const [part] of PARTS) {
        const values = used[part];
        for (let count = 0; count < added; count += 1) values.push(null);
        values.splice(0, values.length - length);
      }
    }
    this.last = number;
    this.length = length;
  }

  /** Add a sample. @param {number} number @param {any[]} figures @param {number} time */
  push(number, figures, time) {
    // A restarted server counts from the start.
    if (number <= this.last) this.clear();
    if (!this.length) this.last = number - 1;
    this.reach(number);
    this.version += 1;
    this.time = time;
    for (const one of figures) {
      const used = this.of(one.name);
      used.now = one;
      for (const [part, name] of PARTS) used[part][this.length - 1] = one[name] ?? null;
    }
  }

  /** Fill in what the server has kept. @param {any} answer */
  fill(answer) {
    const count = Math.max(0, ...answer.processes.map((/** @type {any} */ one) => one.memory_bytes.length));
    // The server was restarted if the page is more than a few samples ahead of its answer.
    if (answer.last + 5 < this.last) this.clear();
    if (!this.length) this.last = answer.last - count;
    // The server may have samples from before this page was opened.
    const before = Math.min(this.most, count - (answer.last - this.last)) - this.length;
    if (before > 0) this.widen(before);
    const isNewer = answer.last >= this.last;
    this.reach(answer.last);
    this.version += 1;
    if (isNewer) this.time = Date.parse(answer.time);
    for (const one of answer.processes) {
      const used = this.of(one.name);
      for (const [part, name] of PARTS) {
        const values = one[name];
        // Align both lists at their last sample.
        const shift = this.length - (this.last - answer.last) - values.length;
        for (let at = Math.max(0, -shift); at < values.length; at += 1) {
          if (values[at] !== null) used[part][at + shift] = values[at];
        }
      }
    }
  }

  /** The sums over all processes; null where there are no samples. @param {'cpu' | 'memory' | 'output'} part */
  sums(part) {
    /** @type {Values} */
    const sums = Array(this.length).fill(null);
    for (const used of this.processes.values()) {
      const values = used[part];
      for (let at = 0; at < values.length; at += 1) {
        const value = values[at];
        if (value !== null) sums[at] = (sums[at] ?? 0) + value;
      }
    }
    return sums;
  }

  /** @param {number} count how many samples are put before the first one */
  widen(count) {
    for (const used of this.processes.values()) {
      for (const [part] of PARTS) used[part].unshift(...Array(count).fill(null));
    }
    this.length += count;
  }
}
