// The facts about a process: from its state, and from its newest crash report.

import { get } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { idle, link, listening } from '../lib/ports.js';
import { address } from '../lib/router.js';
import { reason } from '../lib/states.js';
import { labelOf, run } from '../lib/store.js';

/** @param {[string, Node | string | null | undefined][]} facts */
function list(facts) {
  return h('dl', {}, ...facts.filter(([, value]) => value).flatMap(([term, value]) => [h('dt', { text: term }), h('dd', {}, value)]));
}

/** @param {string[]} names */
function links(names) {
  return h('span', {}, ...names.flatMap((name, at) => [at ? ', ' : null, h('a', { href: address({ run: run.id, view: 'process', values: { name } }), text: labelOf(name) })]));
}

/** @param {any} process */
function ports(process) {
  const all = (listening(process) ?? [process.port]).filter((port) => link(port, process));
  const links = all.map((port) => h('a', { href: link(port, process), target: '_blank', rel: 'noopener noreferrer', text: String(port) }));
  return links.length ? h('span', {}, ...links.flatMap((one, at) => [at ? ', ' : null, one])) : null;
}

/** @param {any} process */
function exits({ exits = [] }) {
  return exits.map((/** @type {any} */ { exit, count }) => `${exit.signal === undefined ? `exit ${exit.code}` : `signal ${exit.signal}`} × ${count}`).join(', ');
}

/** The facts from the state. @param {any} process */
export function facts(process) {
  const waits = process.awaits ?? [];
  const needed = [...run.processes.values()].filter((other) => other.awaits?.includes(process.name)).map((other) => other.name);
  const isReady = process.pid && process.ready !== null && process.ready !== undefined;
  return list([
    ['Command', process.command ? h('code', { text: process.command }) : null],
    ['Process id', process.pid ? String(process.pid) : null],
    ['Port', idle(process) ?? ports(process)],
    ['Ready', isReady ? (process.ready ? 'yes' : reason(process) || 'not yet') : null],
    ['Still lacks', process.lacks?.length ? h('ul', {}, ...process.lacks.map((/** @type {string} */ text) => h('li', { text }))) : null],
    ['Waits for', waits.length ? links(waits) : null],
    ['Awaited by', needed.length ? links(needed) : null],
    ['Restarts', String(Math.max(0, (process.lives ?? 0) - 1))],
    ['Crashes', process.crashes ? String(process.crashes) : null],
    ['Ends so far', exits(process)],
    ['Groups', process.groups?.join(', ')],
    ['Phase', process.phase],
    ['Name shown', process.display],
  ]);
}

/** How a process is run: its directory, its dependencies and its variables. @param {any} found */
export function setup({ directory, variables, depends_on: needs, needed_by: needed }) {
  /** @param {any[]} all */
  const dependencies = (all) => (all.length ? h('ul', {}, ...all.map(({ name, until, restart }) =>
    h('li', {}, links([name]), h('span', { class: 'dim', text: ` ${until}${restart ? ', restarts with it' : ''}` })))) : null);
  return h('div', {}, list([
    ['Directory', h('code', { text: directory })],
    ['Depends on', dependencies(needs)],
    ['Needed by', dependencies(needed)],
  ]), h('details', {}, h('summary', { text: `${variables.length} variables` }),
    h('p', { class: 'dim', text: 'Names only; values are never sent to this page.' }), h('p', { class: 'variables', text: variables.join('  ') })));
}

/** The facts that only a crash report has, read when the panel is opened. @param {string} id of the report @param {string} time */
export function setupOfCrash(id, time) {
  const body = h('div', {}, h('p', { class: 'dim', text: 'loading …' }));
  const element = h('details', { ontoggle: () => { if (/** @type {HTMLDetailsElement} */ (element).open) load(); } },
    h('summary', { text: `Command and environment, as of ${time}` }), body);
  let isLoaded = false;
  const load = async () => {
    if (isLoaded) return;
    isLoaded = true;
    try {
      const report = await get(`/r/${run.id}/api/crashes/${encodeURIComponent(id)}`);
      const names = report.tmo.environment ?? [];
      body.replaceChildren(list([
        ['Command', h('code', { text: [report.command, ...(report.args ?? [])].join(' ') })],
        ['Directory', h('code', { text: report.tmo.cwd })],
        ['Variables', h('span', {}, h('span', { class: 'dim', text: `${names.length} names; tmo keeps no values` }), h('p', { class: 'variables', text: names.join('  ') }))],
      ]));
    } catch (error) {
      isLoaded = false;
      body.replaceChildren(h('p', { class: 'kind-bad', text: /** @type {Error} */ (error).message }));
    }
  };
  return element;
}
