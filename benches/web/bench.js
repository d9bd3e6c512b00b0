// Runs in each document before its own scripts, and records when the page shows events.
window.bench = {
  // Milliseconds since the epoch, with fractions.
  now: () => performance.timeOrigin + performance.now(),
  // Lines `at TIME` of the log: when they were printed, and the delay until they were in a frame.
  lines: [],
  // The longest time between two frames.
  longest: 0,
  // The times at which the overview had all rows, by number of rows.
  rows: {},
  watchLines: () => {
    const known = new Set();
    const look = () => {
      const now = window.bench.now();
      for (const cell of document.querySelectorAll('.rows .text')) {
        const printed = /^at (\d+\.\d+)$/.exec(cell.textContent)?.[1];
        if (!printed || known.has(printed)) continue;
        known.add(printed);
        window.bench.lines.push([Number(printed), now - Number(printed)]);
      }
    };
    let isDue = false;
    new MutationObserver(() => {
      if (isDue) return;
      isDue = true;
      requestAnimationFrame(() => { isDue = false; look(); });
    }).observe(document.querySelector('.rows'), { childList: true, subtree: true });
    look();
    window.bench.lines = [];
  },
  // The highest number of a line of the flood in each frame: when, and the number.
  numbers: [],
  watchNumbers: () => {
    const { numbers } = window.bench;
    const look = () => {
      const shown = [...document.querySelectorAll('.rows .text')].map((cell) => parseInt(cell.textContent, 10)).filter(Number.isFinite);
      numbers.push([window.bench.now(), Math.max(0, ...shown)]);
      numbers.splice(0, numbers.length - 1000);
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  },
  // The time of the first frame in which a condition is true.
  when: (holds) => new Promise((done) => {
    const look = () => (holds() ? done(window.bench.now()) : requestAnimationFrame(look));
    requestAnimationFrame(look);
  }),
  // The time from an action to the first frame in which a condition on the visible log is true.
  time: async (act, holds) => {
    const before = performance.now();
    act();
    await window.bench.when(holds);
    return performance.now() - before;
  },
  press: (key) => document.querySelector('.log-view').dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true })),
  watchFrames: () => {
    let last = performance.now();
    window.bench.longest = 0;
    const look = (now) => {
      window.bench.longest = Math.max(window.bench.longest, now - last);
      last = now;
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  },
};
requestAnimationFrame(function look() {
  const count = document.querySelectorAll('.processes tr[data-name]').length;
  if (count && !(count in window.bench.rows)) window.bench.rows[count] = performance.now();
  if (performance.now() < 60_000) requestAnimationFrame(look);
});
// The time of the last key.
addEventListener('keydown', () => { window.bench.pressed = window.bench.now(); }, true);
