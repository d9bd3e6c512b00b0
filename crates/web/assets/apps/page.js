// The page of a run's uploaded apps.

import { atNextFrame, h, setAttribute, setText } from '../lib/dom.js';
import { act } from '../lib/actions.js';
import { address, goToLog } from '../lib/router.js';
import { reason, signOf } from '../lib/states.js';
import { canAct, changes, me, run, supervisor } from '../lib/store.js';
import { hostTime, ms, span } from '../lib/time.js';
import { confirm } from '../views/dialog.js';
import { addApp, updateApp } from './form.js';
import { listApps, removeApp } from './upload.js';

export class AppsView {
  constructor() {
    /** @type {any[]} */ this.apps = [];
    /** Names of apps that are being removed. @type {Set<string>} */ this.leaving = new Set();
    /** The names of the processes at the time the list was read. */
    this.known = '';
    this.add = h('button', { text: 'Upload an app', onclick: () => addApp(null, (answer) => this.opened(answer)) });
    this.hint = h('p', { class: 'dim' });
    this.problem = h('p', { class: 'kind-bad', role: 'alert', hidden: true });
    this.refusal = h('p', { class: 'dim', text: 'Only an admin can install apps.', hidden: true });
    this.rows = h('ul', { class: 'apps' });
    this.element = h('section', { class: 'apps-page', 'aria-label': 'Apps' },
      h('header', {}, h('h2', { text: 'Apps' }), this.add), this.refusal, this.hint, this.problem, this.rows);
    this.element.addEventListener('dragover', (event) => {
      if (this.mayChange()) event.preventDefault();
    });
    this.element.addEventListener('drop', (event) => {
      if (!this.mayChange() || !event.dataTransfer?.files.length) return;
      event.preventDefault();
      addApp(event.dataTransfer.files, (answer) => this.opened(answer));
    });
    const draw = atNextFrame(() => this.draw());
    /** @type {Map<string, any>} */ this.made = new Map();
    // Whether they may be read is known with the session.
    this.stops = [changes.watch(draw), me.watch(() => this.load()), supervisor.watch(draw)];
  }

  close() {
    for (const stop of this.stops) stop();
  }

  mayChange() {
    return me.value?.role === 'admin' && canAct();
  }

  /** Show the installation in the log. @param {any} answer */
  opened({ process }) {
    goToLog({ names: process });
  }

  async load() {
    // Only the supervisor knows the apps, and a limited session does not receive them.
    if (supervisor.value === 'over' || !me.value || me.value.is_limited) return this.draw();
    try {
      this.apps = await listApps();
      this.fail('');
    } catch (error) {
      this.apps = [];
      this.fail(/** @type {Error} */ (error).message);
    }
    return this.draw();
  }

  /** @param {string} text */
  fail(text) {
    setText(this.problem, text);
    this.problem.hidden = !text;
  }

  draw() {
    const names = [...run.processes.keys()].join();
    if (names !== this.known) {
      // An app may have been added or removed.
      if (this.known) this.load();
      this.known = names;
    }
    this.add.hidden = !this.mayChange();
    const how = 'No apps yet. A ZIP archive with a Python, Node.js or other program becomes a process of this run; drop it here.';
    if (supervisor.value === 'over') this.fail('');
    const over = supervisor.value === 'over' ? 'This run is over. Apps can be uploaded to a run that goes on.' : '';
    this.refusal.hidden = !me.value || me.value.role === 'admin';
    setText(this.hint, over || (this.apps.length || me.value?.is_limited ? '' : this.mayChange() ? how : 'No apps yet.'));
    this.hint.hidden = !this.hint.textContent;
    for (const [name, row] of this.made) {
      if (this.apps.some((app) => app.name === name)) continue;
      row.element.remove();
      this.made.delete(name);
    }
    for (const app of this.apps) {
      let row = this.made.get(app.name);
      if (!row) {
        row = this.row(app);
        this.made.set(app.name, row);
        this.rows.append(row.element);
      }
      this.update(row, app);
    }
  }

  /** @param {any} app */
  row({ name, process }) {
    const button = (/** @type {string} */ text, /** @type {() => any} */ work, danger = false) =>
      h('button', { class: danger ? 'danger' : '', text, 'aria-label': `${text} ${name}`, onclick: work });
    const sign = h('span', { class: 'sign', 'aria-hidden': 'true' });
    const word = h('span');
    const state = h('span', {}, sign, ' ', word);
    const note = h('p', { class: 'dim' });
    const command = h('code');
    const start = button('Start', () => act('start', process));
    const stop = button('Stop', () => act('stop', process));
    const update = button('Update', () => updateApp(name, (answer) => this.opened(answer)));
    const remove = button('Remove', () => confirm(`Remove ${name}?`, 'This deletes its files and its process. What it has printed stays in the log.', 'Remove', () => this.remove(name)), true);
    const log = button('Log', () => goToLog({ names: process }));
    const title = h('a', { href: address({ run: run.id, view: 'process', values: { name: process } }), text: name });
    const element = h('li', { dataset: { app: name } },
      h('div', { class: 'app-head' }, h('h3', {}, title), state, h('span', { class: 'space' }), log, start, stop, update, remove),
      h('p', {}, command), note);
    return { element, sign, word, state, note, command, start, stop, update, remove };
  }

  /** @param {any} row @param {any} app */
  update(row, app) {
    const process = run.processes.get(app.process);
    const [mark, kind] = process ? signOf(process) : ['–', 'off'];
    setText(row.sign, mark);
    setAttribute(row.state, 'class', `kind-${kind}`);
    const isLeaving = this.leaving.has(app.name);
    setText(row.word, isLeaving ? 'being removed …' : process ? process.state : 'not in this run');
    setText(row.command, [app.script, ...app.args].join(' '));
    const parts = [`process ${app.process}`, `uploaded ${span(hostTime() - ms(app.version))} ago`, app.autostart ? 'starts with the run' : 'started by hand'];
    const why = process ? reason(process) : '';
    setText(row.note, [...parts, ...(why ? [why] : [])].join(' · '));
    const may = this.mayChange() && !isLeaving;
    const mayAct = canAct() && !isLeaving;
    const rests = !process?.can_stop;
    row.start.hidden = !mayAct || !process?.can_start;
    row.stop.hidden = !mayAct || rests;
    for (const button of [row.update, row.remove]) {
      button.hidden = !may;
      button.disabled = !rests;
      setAttribute(button, 'title', rests ? null : 'Stop it first');
    }
  }

  /** @param {string} name */
  async remove(name) {
    this.leaving.add(name);
    this.draw();
    try {
      await removeApp(name);
      await this.load();
    } catch (error) {
      this.fail(/** @type {Error} */ (error).message);
    }
    this.leaving.delete(name);
    this.draw();
  }
}
