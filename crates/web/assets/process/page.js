// The page of one process: its facts, the reason for its state, its lives, and the flags in its output.

import { act, failures } from '../lib/actions.js';
import { get, query } from '../lib/api.js';
import { prompt } from '../lib/asking.js';
import { atNextFrame, h, setAttribute, setText } from '../lib/dom.js';
import { listening } from '../lib/ports.js';
import { address, logAddress } from '../lib/router.js';
import { reason, signOf, wordOf } from '../lib/states.js';
import { canAct, changes, labelOf, link as live, me, run, supervisor } from '../lib/store.js';
import { full, hostTime, ms, span } from '../lib/time.js';
import { everySecond } from '../lib/visible.js';
import { openCard } from '../crash/card.js';
import { endOf } from '../crash/report.js';
import { menuButton } from '../views/menu.js';
import { seldom } from '../views/row_menu.js';
import { actionsOf, start } from '../views/run_action.js';
import { causes, explain } from '../views/why.js';
import { Changed } from './changed.js';
import { facts, setup, setupOfCrash } from './facts.js';
import { Figures } from './figures.js';
import { failureTexts, flags } from './found.js';
import { Lives, livesOf } from './lives.js';

/** How many crash reports are listed. */
const REPORTS = 10;

/** @param {string} title @param {...(Node | string | null)} parts */
const panel = (title, ...parts) => h('section', { class: 'panel' }, h('header', {}, h('h2', { text: title })), ...parts);

export class ProcessView {
  /** @param {string} id the run @param {string} name */
  constructor(id, name) {
    this.id = id;
    this.name = name;
    this.known = '';
    this.shown = '';
    this.heading = h('h2', { text: labelOf(name), title: name });
    this.sign = h('span', { class: 'sign', 'aria-hidden': 'true' });
    this.word = h('span');
    this.state = h('p', { class: 'state' }, this.sign, ' ', this.word);
    this.note = h('p', { class: 'kind-bad', role: 'status' });
    const button = (/** @type {'start' | 'stop' | 'restart'} */ what, /** @type {string} */ text) => h('button', { text, onclick: () => act(what, name) });
    this.start = button('start', '▶ Start');
    this.stop = button('stop', '■ Stop');
    this.restart = button('restart', '↻ Restart');
    const link = (/** @type {string} */ href, /** @type {string} */ text) => h('a', { class: 'button', href, text });
    this.terminal = link(address({ run: id, view: 'terminal', values: { name } }), '⌨ Terminal');
    this.log = link(logAddress(id, { names: name }), '≡ Log');
    this.actions = h('span', { class: 'actions' });
    this.more = menuButton('⋯', 'More for the process', () => seldom(run.processes.get(name)));
    this.why = h('div');
    this.whyPanel = panel('Why', this.why);
    this.lives = new Lives();
    this.changed = new Changed(name);
    this.crashes = h('div');
    this.crashPanel = panel('Crash reports', this.crashes);
    for (const part of [this.whyPanel, this.lives.element, this.crashPanel]) part.hidden = true;
    this.facts = h('div');
    this.setup = h('div');
    this.figures = new Figures(name);
    this.found = h('div');
    this.empty = h('p', { class: 'dim pad', text: 'No process has this name.', hidden: true });
    this.past = h('div', {}, this.whyPanel, this.changed.element, this.lives.element, this.crashPanel);
    this.grid = h('div', { class: 'panels' }, this.past,
      h('div', {}, panel('What it is', this.facts, this.setup), this.figures.element, this.found));
    this.element = h('div', { class: 'process-page' },
      h('header', { class: 'process-head' }, this.heading, this.state, h('span', { class: 'space' }),
        this.actions, this.start, this.stop, this.restart, this.terminal, this.log, this.more),
      this.note, this.empty, this.grid);
    const draw = atNextFrame(() => this.draw());
    /** Why a part could not be read; it is read again once the server answers again. */
    this.unread = '';
    const again = live.watch((state) => {
      if (state !== 'up' || !this.unread) return;
      this.known = '';
      draw();
    });
    this.ends = [again, changes.watch(draw), failures.watch(draw), me.watch(draw), everySecond(draw)];
  }

  get scroller() {
    return this.element;
  }

  close() {
    this.isClosed = true;
    for (const end of this.ends) end();
  }

  draw() {
    const process = run.processes.get(this.name);
    if (this.isClosed || !run.state) return;
    this.empty.hidden = !!process;
    for (const part of [this.grid, this.state, this.log, this.more]) part.hidden = !process;
    if (!process) {
      for (const part of [this.start, this.stop, this.restart, this.terminal]) part.hidden = true;
      setText(this.note, '');
      return;
    }
    setText(this.heading, labelOf(this.name));
    const [mark, kind] = signOf(process);
    setText(this.sign, mark);
    setAttribute(this.state, 'class', `state kind-${kind}`);
    const since = process.since ? ` for ${span(hostTime() - ms(process.since))}` : '';
    setText(this.word, `${wordOf(process)}${since}`);
    const failure = failures.value.get(this.name);
    const asked = prompt(process);
    setText(this.note, failure ?? (asked === null ? reason(process) || this.unread : `waits for an answer: ${asked}`));
    setAttribute(this.note, 'class', failure || kind === 'bad' ? 'kind-bad' : '');
    const mayAct = canAct();
    this.start.hidden = !mayAct || !process.can_start;
    this.stop.hidden = !mayAct || !process.can_stop;
    this.restart.hidden = !mayAct;
    this.terminal.hidden = supervisor.value === 'over';
    this.more.hidden = !seldom(process).length;
    this.drawActions();
    this.figures.draw(process);
    this.read(process);
  }

  drawActions() {
    const actions = actionsOf(this.name.split('#')[0]);
    const key = JSON.stringify(actions.map(({ name, command, confirm }) => [name, command, confirm]));
    if (key === this.actionsKey) return;
    this.actionsKey = key;
    this.actions.replaceChildren(...actions.map((action) => h('button', { text: action.name, title: action.command, onclick: () => start(action) })));
  }

  /** Read again the parts that change only with a life, a crash or a flag. @param {any} process */
  async read(process) {
    const { lives, state, crashes, flags: counted, pid, ready, awaits, lacks, command } = process;
    const key = JSON.stringify([lives, state, crashes, counted, pid, ready, awaits, lacks, command]);
    const shown = `${key} ${listening(process)}`;
    if (shown !== this.shown) this.facts.replaceChildren(facts(process));
    this.shown = shown;
    if (key === this.known || this.isReading) return;
    this.known = key;
    this.unread = '';
    this.isReading = true;
    // A limited session gets neither events nor reports.
    this.past.hidden = !!me.value?.is_limited;
    if (!this.past.hidden) await Promise.all([this.readSetup(), this.readWhy(), this.readLives(), this.readCrashes(), this.readFound(process)]);
    this.isReading = false;
  }

  /** What the plan of the run says; after the run, only a crash report knows. */
  async readSetup() {
    if (supervisor.value === 'over') return;
    try {
      const known = await get(`/r/${this.id}/api/processes/${encodeURIComponent(this.name)}/setup`);
      const key = JSON.stringify(known);
      // The reader may have opened its list of variables.
      if (key !== this.setupKey) this.setup.replaceChildren(setup(known));
      this.setupKey = key;
    } catch {
      // The panel then has only the facts.
    }
  }

  async readWhy() {
    const explanation = await explain(this.name);
    this.whyPanel.hidden = !!explanation.well;
    this.why.replaceChildren(...causes(this.name, explanation));
  }

  async readLives() {
    await this.attempt(async () => this.lives.show(await livesOf(this.id, this.name)));
    this.changed.update();
  }

  async readCrashes() {
    const path = `/r/${this.id}/api/crashes${query({ name: this.name, last: REPORTS })}`;
    await this.attempt(async () => this.showCrashes((await get(path)).crashes));
  }

  /** @param {any} process */
  async readFound(process) {
    const again = async () => {
      await this.readFound(process);
      /** @type {HTMLElement} */ (this.found.querySelector('button') ?? this.more).focus();
    };
    const parts = await Promise.all([flags(process), failureTexts(this.name, again)]);
    const found = parts.filter((part) => part !== null);
    const isSame = found.length === this.found.children.length && found.every((part, at) => part.isEqualNode(this.found.children[at]));
    // What has the focus keeps it.
    if (!isSame) this.found.replaceChildren(...found);
  }

  /** @param {() => Promise<void>} work */
  async attempt(work) {
    try {
      await work();
    } catch (error) {
      this.unread = /** @type {Error} */ (error).message;
    }
  }

  /** @param {any[]} reports */
  showCrashes(reports) {
    this.crashPanel.hidden = !reports.length;
    this.crashes.replaceChildren(h('ul', { class: 'reports' }, ...reports.map((report) => h('li', {},
      h('button', { class: 'quiet link', text: full(new Date(report.timestamp)).slice(0, -4), onclick: () => openCard(report.id) }),
      h('span', { text: report.cause?.text ?? endOf(report) }),
      report.run === run.state?.run ? null : h('span', { class: 'dim', text: 'earlier run' })))));
    const newest = reports[0];
    if (!newest || this.setup.childElementCount) return;
    this.setup.replaceChildren(setupOfCrash(newest.id, full(new Date(newest.timestamp)).slice(0, -4)));
  }
}
