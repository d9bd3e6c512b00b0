// A value that others can watch.

/**
 * @template T
 */
export class Signal {
  /** @param {T} value */
  constructor(value) {
    this.value = value;
    /** @type {Set<(value: T) => void>} */
    this.watchers = new Set();
  }

  /** @param {T} value */
  set(value) {
    if (value === this.value) return;
    this.value = value;
    this.tell();
  }

  tell() {
    for (const watcher of [...this.watchers]) watcher(this.value);
  }

  /**
   * Call this now and at each change, until the returned function is called.
   * @param {(value: T) => void} watcher
   */
  watch(watcher) {
    this.watchers.add(watcher);
    watcher(this.value);
    return () => this.watchers.delete(watcher);
  }
}
