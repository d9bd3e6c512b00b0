// Runs in each document before its own scripts, and collects data for the tests.
performance.setResourceTimingBufferSize(1_000_000);
window.probe = {
  violations: [],
  all: (selector) => [...document.querySelectorAll(selector)],
  texts: (selector) => window.probe.all(selector).map((element) => element.innerText),
  lines: () => window.probe.all('.rows .text').map((element) => element.textContent),
  // The texts of the visible rows of the log, and the position of the first one.
  visible: () => {
    const view = document.querySelector('.log-view').getBoundingClientRect();
    const isInside = ({ top, bottom }) => top >= view.top - 1 && bottom <= view.bottom + 1;
    return window.probe.all('.rows .row').filter((row) => isInside(row.getBoundingClientRect()))
      .map((row) => row.querySelector('.text').textContent);
  },
  place: () => {
    const { top } = document.querySelector('.log-view').getBoundingClientRect();
    const first = window.probe.all('.rows .row').find((row) => row.getBoundingClientRect().bottom > top);
    return first && `${first.dataset.cursor} at ${first.getBoundingClientRect().top}`;
  },
  // The largest number of such requests within a second.
  busiest: (part) => {
    const starts = performance.getEntriesByType('resource').filter((entry) => entry.name.includes(part))
      .map((entry) => entry.startTime).sort((a, b) => a - b);
    return Math.max(0, ...starts.map((start, at) => starts.filter((one, other) => other >= at && one < start + 1000).length));
  },
  // Records the position of the log in each frame from now on.
  watchPlace: () => {
    const places = new Set([window.probe.place()]);
    const look = () => {
      places.add(window.probe.place());
      window.probe.watching = requestAnimationFrame(look);
    };
    look();
    window.probe.places = () => [...places];
  },
  isOnScreen: (selector) => {
    const element = document.querySelector(selector);
    const { left, top, right, bottom, width } = element.getBoundingClientRect();
    return element.checkVisibility() && width > 0 && left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
  },
  elements: () => document.getElementsByTagName('*').length,
  requests: (part) => performance.getEntriesByType('resource').filter((entry) => entry.name.includes(part)).length,
  state: (name) => document.querySelector(`.processes tr[data-name="${name}"] .state span:last-child`)?.textContent,
  problems: () => {
    // A phone zooms out if the page is too wide, so that `innerWidth` would be as large.
    const { scrollWidth, clientWidth } = document.documentElement;
    return [
      ...window.probe.violations.map((one) => `the policy was violated: ${one}`),
      ...performance.getEntriesByType('resource').map((entry) => entry.name)
        .filter((name) => !/^(data|blob):/.test(name) && new URL(name).host !== location.host).map((name) => `another host: ${name}`),
      ...(scrollWidth > clientWidth ? [`the page is too wide: ${scrollWidth} of ${clientWidth} pixels`] : []),
    ];
  },
};
addEventListener('securitypolicyviolation', (event) => {
  window.probe.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
