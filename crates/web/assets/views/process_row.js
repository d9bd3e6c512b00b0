// A process in the overview: its row, and a line below with the reason for its state.

import { prompt } from '../lib/asking.js';
import { act, failures, setFailure } from '../lib/actions.js';
import { h, setAttribute, setText } from '../lib/dom.js';
import { drift } from '../lib/drift.js';
import { idle, link, listening } from '../lib/ports.js';
import { address, go } from '../lib/router.js';
import { isWanted } from '../lib/filter.js';
import { crashLoop, reason, signOf, wordOf } from '../lib/states.js';
import { canAct, isGone, labelOf, me, run, supervisor } from '../lib/store.js';
import { bytes, ms, span } from '../lib/time.js';
import { causeOf } from './cause.js';
import { logDialog } from './log_dialog.js';
import { openMenu } from './row_menu.js';
import { Spark } from './spark.js';
import { why } from './why.js';

/** Heads of the columns, and the classes of their cells. The style sheet decides which of them have room. */
export const COLUMNS = [
  ['Name', 'col-name'], ['State', 'col-state'], ['Ready', 'col-ready'], ['Up', 'col-up'], ['Restarts', 'col-restarts'],
  ['CPU', 'col-cpu figure'], ['Memory', 'col-memory figure'], ['Port', 'col-port'], ['', 'col-acts'],
];

export class ProcessRow {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    /** Figures are drawn only in visible rows. */
    this.isInView = false;
    this.sign = h('span', { class: 'sign', 'aria-hidden': 'true' });
    this.word = h('span');
    this.state = h('td', { class: 'col-state state' }, this.sign, ' ', this.word);
    this.ready = h('td', { class: 'col-ready' });
    this.up = h('td', { class: 'col-up number' });
    this.restarts = h('td', { class: 'col-restarts number' });
    this.cpu = h('span', { class: 'amount' });
    this.memory = h('span', { class: 'amount' });
    this.cpuSpark = new Spark();
    this.memorySpark = new Spark();
    this.port = h('a', { target: '_blank', rel: 'noopener noreferrer' });
    this.start = this.button('Start', '▶', () => act('start', name));
    this.stop = this.button('Stop', '■', () => act('stop', name));
    this.restart = this.button('Restart', '↻', () => act('restart', name));
    this.terminal = this.button('Terminal of', '⌨', () => go({ view: 'terminal', values: { name } }));
    const log = this.button('Log of', '≡', () => logDialog(name));
    log.classList.add('log-link');
    this.link = h('a', { href: address({ run: run.id, view: 'process', values: { name } }) });
    this.element = h('tr', { dataset: { name }, oncontextmenu: (/** @type {MouseEvent} */ event) => this.menu(event) },
      h('th', { scope: 'row', class: 'col-name' }, this.link),
      this.state, this.ready, this.up, this.restarts,
      h('td', { class: 'col-cpu figure' }, this.cpu, this.cpuSpark.element),
      h('td', { class: 'col-memory figure' }, this.memory, this.memorySpark.element),
      h('td', { class: 'col-port port' }, this.port),
      h('td', { class: 'col-acts acts' }, this.start, this.stop, this.restart, this.terminal, log));
    this.noteText = h('span');
    this.why = h('button', { text: 'Why?', 'aria-label': `Why? ${name}`, onclick: () => why(name) });
    this.answer = h('button', {
      text: 'Answer', 'aria-label': `Answer ${name}`, onclick: () => go({ view: 'terminal', values: { name, look: '0' } }),
    });
    this.dismiss = h('button', { class: 'quiet', text: 'Dismiss', onclick: () => setFailure(name, null) });
    this.noteCell = h('td', {}, '└ ', this.noteText, ' ', this.why, this.answer, this.dismiss);
    this.note = h('tr', { class: 'note', hidden: true }, this.noteCell);
  }

  /** @param {MouseEvent} event */
  menu(event) {
    // Keep the browser's menu for links and for selected text.
    if (/** @type {Element} */ (event.target).closest('.port a[href]') || getSelection()?.toString()) return;
    event.preventDefault();
    const { left, bottom } = this.element.getBoundingClientRect();
    // The menu key has no coordinates.
    const isMouse = event.clientX || event.clientY;
    openMenu(this.name, isMouse ? event.clientX : left + 20, isMouse ? event.clientY : bottom);
  }

  /**
   * Create a button that ignores clicks until the request of the last one is answered. It is not disabled
   * meanwhile, as it would lose the focus.
   * @param {string} label @param {string} text @param {() => any} work
   */
  button(label, text, work) {
    let isBusy = false;
    const element = h('button', {
      class: 'act', 'aria-label': `${label} ${this.name}`, title: label, text,
      onclick: async () => {
        if (isBusy) return;
        isBusy = true;
        element.setAttribute('aria-disabled', 'true');
        await work();
        isBusy = false;
        element.removeAttribute('aria-disabled');
      },
    });
    return element;
  }

  /** @param {any} process @param {number} now @param {string} columns how many are shown, for `colspan` */
  update(process, now, columns) {
    const [mark, kind] = signOf(process);
    const isBad = process.failed && !process.pid;
    setAttribute(this.noteCell, 'colspan', columns);
    const label = labelOf(this.name);
    const changed = drift.value.get(this.name);
    setText(this.link, changed ? `${label} *` : label);
    const title = label === this.name ? label : `${label} (${this.name})`;
    setAttribute(this.link, 'title', changed ? `${title}; changed since its start: ${changed.join(', ')}` : title);
    setText(this.sign, mark);
    setAttribute(this.state, 'class', `col-state state kind-${kind}`);
    setText(this.word, wordOf(process));
    setText(this.ready, process.pid && process.ready ? '✓' : process.pid && process.ready === false ? '…' : '–');
    setText(this.restarts, String(Math.max(0, (process.lives ?? 0) - 1)));
    this.showPort(process);
    this.showButtons(process);
    this.showNote(process, kind === 'bad', isBad);
    this.element.hidden = !isWanted(process);
    this.note.hidden ||= this.element.hidden;
    if (this.isInView) this.updateFigures(process, now);
  }

  /** Update the cells that change each second. @param {any} process @param {number} now */
  updateFigures(process, now) {
    const figures = process.pid ? run.figures.get(this.name) : undefined;
    setText(this.up, process.pid ? span(now - ms(process.since)) : '–');
    const cpu = figures?.now?.cpu_percent ?? null;
    setText(this.cpu, cpu === null ? '–' : `${Math.round(cpu)} %`);
    setText(this.memory, figures?.now ? bytes(figures.now.memory_bytes) : '–');
    this.cpuSpark.show(figures?.cpu ?? [], 10);
    this.memorySpark.show(figures?.memory ?? [], 1);
  }

  /** @param {any} process */
  showButtons(process) {
    const mayAct = canAct();
    const before = document.activeElement;
    this.start.hidden = !mayAct || !process.can_start;
    this.stop.hidden = !mayAct || !process.can_stop;
    this.restart.hidden = !mayAct;
    this.terminal.hidden = supervisor.value === 'over' || isGone.value;
    // The button that replaces the other takes over the focus.
    if (before === this.start && this.start.hidden) (this.stop.hidden ? this.restart : this.stop).focus();
    if (before === this.stop && this.stop.hidden) (this.start.hidden ? this.restart : this.start).focus();
  }

  /** @param {any} process @param {boolean} isKindBad @param {boolean} isBad */
  showNote(process, isKindBad, isBad) {
    const failure = failures.value.get(this.name);
    const asked = prompt(process);
    this.answer.hidden = asked === null || !!failure || me.value?.role !== 'admin' || !canAct();
    const asks = asked === null ? null : `waits for an answer: ${asked}`;
    // What a broken process has done is its cause too.
    const parts = [isBad ? this.cause(process) : '', process.state === 'broken' && isBad ? '' : reason(process)];
    const known = parts.filter(Boolean).join(' · ') || reason(process);
    const story = crashLoop(process);
    const told = story && !isBad ? [this.cause(process), reason(process)].filter(Boolean).join(' · ') : known;
    const text = failure ?? asks ?? [story, told].filter(Boolean).join(': ');
    setText(this.noteText, text);
    this.note.hidden = !text;
    this.why.hidden = !!failure || !(isKindBad || isBad || story) || me.value?.is_limited;
    this.dismiss.hidden = !failure;
    setAttribute(this.note, 'class', `note ${failure || isKindBad || isBad ? 'kind-bad' : story ? 'kind-busy' : ''}`);
  }

  /** The cause of a failure. A limited session does not receive it, as it may name other processes. @param {any} process */
  cause(process) {
    if (!me.value || me.value.is_limited || !this.isInView) return '';
    return causeOf(process) ?? 'looking for the cause …';
  }

  /** Show the port, as a link while the process runs. @param {any} process */
  showPort(process) {
    const ports = listening(process);
    const [port, ...others] = ports ?? [process.port];
    setText(this.port, port ? String(port) : '–');
    setAttribute(this.port, 'href', link(port, process));
    setAttribute(this.port, 'title', others.length ? `also listens on ${others.join(', ')}` : idle(process));
  }
}
