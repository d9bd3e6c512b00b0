// Runs in each document before its own scripts, and keeps what the tests look at.
performance.setResourceTimingBufferSize(1_000_000);
window.probe = {
  violations: [],
  all: (selector) => [...document.querySelectorAll(selector)],
  texts: (selector) => window.probe.all(selector).map((element) => element.innerText),
  lines: () => window.probe.all('.rows .text').map((element) => element.textContent),
  requests: (part) => performance.getEntriesByType('resource').filter((entry) => entry.name.includes(part)).length,
  state: (name) => document.querySelector(`.processes tr[data-name="${name}"] .state span:last-child`)?.textContent,
  elsewhere: () => performance.getEntriesByType('resource').map((entry) => entry.name)
    .filter((name) => !name.startsWith('data:') && !name.startsWith('blob:') && new URL(name).host !== location.host),
  isWide: () => document.documentElement.scrollWidth > innerWidth,
};
addEventListener('securitypolicyviolation', (event) => {
  window.probe.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
