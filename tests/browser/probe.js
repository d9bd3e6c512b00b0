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
  // A hidden page has no frames.
  hide: (isHidden) => {
    window.probe.frames ??= window.requestAnimationFrame;
    window.requestAnimationFrame = isHidden ? () => 1 : window.probe.frames;
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => isHidden });
    document.dispatchEvent(new Event('visibilitychange'));
  },
  isOnScreen: (selector) => {
    const element = document.querySelector(selector);
    const { left, top, right, bottom, width } = element.getBoundingClientRect();
    return element.checkVisibility() && width > 0 && left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
  },
  // Counts the connections to such paths that are opened from now on.
  countOpened: (path) => {
    window.probe.opened = 0;
    window.WebSocket = class extends window.WebSocket {
      constructor(url, protocols) {
        super(url, protocols);
        this.addEventListener('open', () => { window.probe.opened += url.includes(path); });
      }
    };
  },
  elements: () => document.getElementsByTagName('*').length,
  requests: (part) => performance.getEntriesByType('resource').filter((entry) => entry.name.includes(part)).length,
  state: (name) => document.querySelector(`.processes tr[data-name="${name}"] .state span:last-child`)?.textContent,
  // An element, as a person can find it in the page.
  described: (element) => `${element.outerHTML.split('>')[0]}> ${element.textContent.slice(0, 40)}`,
  // What can be acted on and is shown; of a group of radio buttons the one that Tab leads to.
  reachable: () => window.probe.all('a[href], button, input, select, textarea, summary, iframe, [tabindex]')
    .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled && one.tabIndex >= 0 && (one.type !== 'radio' || one.checked)),
  // Notes what gets the focus from now on, which begins before the first element.
  watchFocus: () => {
    const focused = new Set();
    addEventListener('focusin', (event) => focused.add(event.target));
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute('tabindex');
    window.probe.unreached = () => window.probe.reachable().filter((one) => !focused.has(one)).map(window.probe.described);
  },
  // Headings that leave out a level, and pictures that are neither named nor hidden from screen readers.
  untold: () => {
    const levels = window.probe.all('h1, h2, h3, h4, h5, h6').filter((one) => one.checkVisibility()).map((one) => Number(one.tagName[1]));
    const isNamed = (one) => one.closest('[aria-hidden="true"]') || one.getAttribute('alt') ||
      (one.getAttribute('role') === 'img' && one.getAttribute('aria-label'));
    return [
      ...levels.filter((level, at) => level > (levels[at - 1] ?? 0) + 1).map((level) => `a heading of level ${level} among ${levels}`),
      ...(levels.filter((level) => level === 1).length === 1 ? [] : [`headings of levels ${levels}`]),
      ...window.probe.all('svg, img, canvas').filter((one) => one.checkVisibility() && !isNamed(one)).map(window.probe.described),
    ];
  },
  // What can be acted on, and headings, that can't be seen whole: no scrolling leads there.
  cut: () => {
    const isWhole = (one) => {
      const { left, right } = one.getBoundingClientRect();
      for (let box = one.parentElement; box && box !== document.body; box = box.parentElement) {
        const { overflowX } = getComputedStyle(box);
        // `auto` may be meant for the other direction only.
        if (box.matches('.names, .picked, .panel, .terminal-bar, .key-bar, .log-view, .around, pre, .screen')) return true;
        const edge = box.getBoundingClientRect();
        if (overflowX !== 'visible' && (left < edge.left - 1 || right > edge.right + 1)) return false;
      }
      return left >= -1 && right <= innerWidth + 1;
    };
    const isCut = (one) => one.tagName === 'BUTTON' && one.scrollWidth > one.clientWidth + 1 && !one.matches('.name-only');
    return window.probe.all('button, a[href], input, select, summary, h1, h2, h3')
      .filter((one) => one.checkVisibility() && !one.closest('.xterm, .log-view, .skip, .col-name, .used-name') && (!isWhole(one) || isCut(one)))
      .map(window.probe.described);
  },
  // Names that are cut although fewer than 12 characters of them can be seen.
  narrow: () => window.probe.all('.processes tbody .col-name, .name-only, .used-name p, .lane-name, .row .name, .process-head h2')
    .filter((one) => {
      const { fontSize, paddingLeft, paddingRight } = getComputedStyle(one);
      const room = one.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
      // A link in it may be what cuts the name.
      const isCut = [one, ...one.children].some((part) => part.scrollWidth > part.clientWidth);
      return one.checkVisibility() && isCut && room < 12 * 0.55 * parseFloat(fontSize);
    }).map((one) => `${one.clientWidth} px for ${window.probe.described(one)}`),
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
