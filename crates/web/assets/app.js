// Entry point of the page: logs in, connects, and shows the view that the address names.

import { AppsView } from './apps/page.js';
import { act, failures, quit, setFailure } from './lib/actions.js';
import { asking, prompt } from './lib/asking.js';
import { atNextFrame, h, setText } from './lib/dom.js';
import { Lives, hostOf, hosts, lostHost } from './lib/hosts.js';
import { Notices, wanted } from './lib/notices.js';
import { address, go, goToLog, lastLog, place, pressed } from './lib/router.js';
import { ended, logIn } from './lib/session.js';
import { isBad, isTroubled, looping, signOf } from './lib/states.js';
import { begin, canAct, changes, isGone, isUnknownRun, labelOf, link, me, run, runs, silence, supervisor, take } from './lib/store.js';
import { scrollBack } from './lib/scrolled.js';
import { clock, hostTime, ms, span } from './lib/time.js';
import { applyTheme } from './lib/theme.js';
import { everySecond } from './lib/visible.js';
import { FiguresView } from './figures/page.js';
import { SearchField } from './search/field.js';
import { SearchView } from './search/page.js';
import { causeOf } from './views/cause.js';
import { startAgain } from './views/again.js';
import { confirm } from './views/dialog.js';
import { Timeline } from './timeline/timeline.js';
import { help } from './views/help.js';
import { menuButton } from './views/menu.js';
import { reloadConfiguration } from './views/reload.js';
import { askToRestart } from './views/restart_all.js';
import { actionItems, actionsOf } from './views/run_action.js';
import { LogView } from './views/log.js';
import { ProcessView } from './process/page.js';
import { loggedOut, otherServer } from './views/login.js';
import { Overview } from './views/overview.js';
import { settings } from './views/settings.js';
import { Side, show } from './views/side.js';
import { TerminalView, chosen } from './views/terminal.js';

class App {
  constructor() {
    /** @type {Overview | LogView | AppsView | ProcessView | TerminalView | FiguresView | SearchView | null} */ this.view = null;
    /** @type {Timeline | null} */ this.timeline = null;
    /** Called before the view is removed. */
    this.leave = () => {};
    this.shown = '';
    /** Whether the address names a run that does not exist. */
    this.isUnknown = false;
    this.title = h('h1', { text: 'tmo' });
    this.counts = h('span');
    this.root = h('span', { class: 'root' });
    this.summary = h('p', { class: 'summary', hidden: true }, this.counts, this.root);
    this.noteText = h('span');
    this.again = h('button', { text: 'Start again …', hidden: true, onclick: startAgain });
    this.note = h('p', { class: 'banner', role: 'status', hidden: true }, this.noteText, ' ', this.again);
    this.failureText = h('span');
    this.failure = h('p', { class: 'banner kind-bad', role: 'alert', hidden: true }, this.failureText, ' ',
      h('button', { class: 'quiet', text: 'Dismiss', onclick: () => setFailure('', null) }));
    this.news = h('p', { class: 'unseen', 'aria-live': 'polite' });
    this.notices = new Notices();
    this.shut = h('button', { class: 'danger', text: 'Shut down', hidden: true, onclick: () => this.shutDown() });
    this.restartAll = h('button', { class: 'restart-all', text: 'Restart all', hidden: true, onclick: () => askToRestart('Restart all?', [...run.processes.keys()]) });
    this.more = menuButton('⋯', 'More for the run', () => [
      ['Restart all', () => this.restartAll.click()],
      ['Keys', help],
      ...actionItems(actionsOf()),
      ...(me.value?.role === 'admin' ? [/** @type {import('./views/menu.js').Item} */ (['Reload the configuration', reloadConfiguration])] : []),
    ]);
    this.tabs = {
      overview: h('a', { text: 'Overview' }),
      log: h('a', { text: 'Log', onclick: stayInLog }),
      terminal: h('a', { text: 'Terminal' }),
      figures: h('a', { text: 'Figures' }),
      apps: h('a', { text: 'Apps' }),
    };
    this.field = new SearchField();
    this.main = h('main', { class: 'main', id: 'main', tabindex: '-1' });
    this.side = new Side();
    document.body.replaceChildren(
      h('button', { class: 'skip', text: 'Skip to the content', onclick: () => this.main.focus() }),
      h('header', { class: 'top' }, this.title, h('nav', { class: 'tabs', 'aria-label': 'Views' }, ...Object.values(this.tabs)),
        h('span', { class: 'space' }), this.field.open, this.field.input, this.restartAll, this.more,
        h('button', { class: 'quiet', 'aria-label': 'Settings', title: 'Settings', text: '⚙', onclick: settings }),
        h('button', { class: 'quiet keys-button', 'aria-label': 'Keys', text: '?', onclick: help }), this.shut),
      h('section', { 'aria-label': 'The run' }, this.note, this.failure, this.summary),
      h('div', { class: 'body' }, this.side.element, this.main), this.news);
    this.live = new Lives({
      onframe: (frame) => this.frame(frame),
      onlink: (state) => link.set(state),
    });
    const draw = atNextFrame(() => this.draw());
    for (const signal of [changes, link, supervisor, runs, me, failures, hosts]) signal.watch(draw);
    place.watch(() => this.route());
    runs.watch(() => this.choose());
    this.stopClock = everySecond(draw);
    document.addEventListener('keydown', (event) => this.key(event));
    this.lastNews = 0;
    // Without a login, the page has ended before this point.
    ended.watch((why) => this.end(why));
  }

  /** Show why this page can't continue, and close its connection. @param {'other' | 'out' | null} why */
  end(why) {
    if (!why) return;
    this.view?.close();
    this.timeline?.close();
    this.stopClock();
    if (why === 'other') otherServer();
    else loggedOut();
  }

  /** @param {any} frame */
  frame(frame) {
    take(frame);
  }

  /** Choose the first run if the address names none. */
  choose() {
    if (!place.value.run && runs.value.length) {
      history.replaceState(null, '', address({ run: runs.value[0].id, view: 'overview', values: {} }));
      window.dispatchEvent(new HashChangeEvent('hashchange'));
    }
  }

  route() {
    if (ended.value) return;
    const { run: id, view, values } = place.value;
    document.body.dataset.view = view;
    if (id !== run.id) {
      begin(id);
      this.live.watch(id);
      this.timeline?.close();
      this.timeline = id ? new Timeline(id, (at) => this.openLine(at)) : null;
    }
    const name = view === 'terminal' ? chosen(values.name) : undefined;
    const shown = { terminal: `${id} terminal ${name} ${values.look}`, process: `${id} process ${values.name}` }[view] ?? `${id} ${view}`;
    if (shown !== this.shown) {
      this.leave();
      this.shown = shown;
      this.view?.close();
      this.view = null;
      if (id) this.view = this.make(id, view, name, values.look ?? '');
      this.main.replaceChildren(...this.parts(view));
      if (this.view instanceof TerminalView) this.view.open();
      this.leave = this.view && 'scroller' in this.view ? scrollBack(this.view.scroller, shown) : () => {};
    }
    if (this.view instanceof LogView || this.view instanceof SearchView) this.view.goTo(values);
    for (const [one, tab] of Object.entries(this.tabs)) {
      tab.setAttribute('href', address({ run: id, view: one, values: one === 'log' ? lastLog(id) : {} }));
      if (view === one) tab.setAttribute('aria-current', 'page');
      else tab.removeAttribute('aria-current');
    }
  }

  /** The elements of the view, with the timeline where the view has one. @param {string} view */
  parts(view) {
    const none = runs.value.length ? 'There is no such run; those in the list are known.' : 'No run is known yet. `tmo start` begins one.';
    if (this.isUnknown || !this.view) return [h('p', { class: 'dim pad', text: none })];
    const { timeline } = this;
    if (!timeline || !(this.view instanceof LogView || this.view instanceof Overview)) return [this.view.element];
    timeline.showIn(view);
    if (!(this.view instanceof LogView)) return [this.view.element, timeline.element];
    this.view.onmoved = (window, follows) => timeline.showWindow(window, follows);
    this.view.ontimeline = () => timeline.toggle();
    return [timeline.element, this.view.element];
  }

  /** Open the log, with all processes, at a line. @param {string | null} at */
  openLine(at) {
    const { values } = place.value;
    if (at && this.view instanceof LogView && values.at === at && !values.names) this.view.pane.show(at);
    else goToLog(at ? { at } : {});
  }

  /** @param {string} id @param {string} view @param {string | undefined} name @param {string} look */
  make(id, view, name, look) {
    if (this.isUnknown) return null;
    if (view === 'log') return new LogView(id);
    if (view === 'apps') return new AppsView();
    if (view === 'figures') return new FiguresView();
    if (view === 'search') return new SearchView();
    if (view === 'process') return new ProcessView(id, place.value.values.name);
    if (view !== 'terminal') return new Overview();
    return name ? new TerminalView(id, name, look) : null;
  }

  draw() {
    if (ended.value) return;
    if (this.isUnknown !== isUnknownRun()) {
      this.isUnknown = !this.isUnknown;
      this.shown = '';
      this.route();
    }
    // Until now, the processes were not known.
    if (place.value.view === 'terminal' && !this.view && run.processes.size) {
      this.shown = '';
      this.route();
    }
    const all = [...run.processes.values()];
    const bad = all.filter(isTroubled);
    const state = run.state;
    const over = supervisor.value === 'over';
    const host = hostOf(run.id);
    setText(this.title, `${host ? `${host} / ` : ''}${state?.title ?? 'tmo'}`);
    const waiting = asking();
    const parts = counts(all);
    if (state?.pid && !over) parts.push(`up ${span(hostTime() - ms(state.started))}`);
    setText(this.counts, state ? parts.join(' · ') : '');
    setText(this.root, state?.root ? ` · ${state.root}` : '');
    this.summary.hidden = !state;
    const mayQuit = me.value?.role === 'admin' && canAct() && !!state;
    this.shut.hidden = !mayQuit;
    this.tabs.apps.hidden = !!me.value?.is_limited || !!host;
    this.restartAll.hidden = !canAct() || !state;
    this.more.hidden = this.restartAll.hidden;
    const notes = {
      down: isGone.value ? 'tmo web has ended; this page shows what it knew. `tmo web` starts it again and prints a new link.' : 'The web server does not answer; connecting again …',
      up: { up: state?.quitting ? 'The run is being stopped.' : '', gone: 'The supervisor does not answer. The processes go on; another supervisor takes over.', over: `This run is over${run.ended ? `: it ${run.ended}` : ''}. Its log is complete.` }[supervisor.value],
      first: '',
    };
    const lost = lostHost(run.id);
    document.body.classList.toggle('lost', !!lost);
    const quiet = silence();
    const note = (quiet && `No news from tmo web for ${quiet}. This page shows what it knew.`) || (link.value === 'up' && lost && missing(lost)) || notes[link.value] || older(me.value?.version, state?.version);
    setText(this.noteText, note);
    this.again.hidden = !over || isGone.value || me.value?.role !== 'admin';
    this.note.hidden = !note;
    const failure = failures.value.get('') ?? '';
    setText(this.failureText, failure);
    this.failure.hidden = !failure;
    this.showWorst(bad, waiting, over);
    this.notices.update(new Map([
      ...bad.flatMap((process) => this.ofFailure(process)),
      // The steps in a debugger are one story.
      ...waiting.filter((process) => !process.prompt.again).map((process) => notice(process, 'waits', 'waits for an answer', 'terminal')),
    ]));
  }

  /** The notification about a failure, once its cause is known. @param {any} process */
  ofFailure(process) {
    const isToldWhy = document.hidden && wanted() && me.value && !me.value.is_limited;
    const cause = isToldWhy ? causeOf(process) : '';
    const made = notice(process, 'failed', `has failed${cause ? `: ${cause}` : ''}`, 'process');
    return cause === null && !this.notices.shown.has(made[0]) ? [] : [made];
  }

  /** Show the worst state in the title and the icon. @param {any[]} bad @param {any[]} waiting @param {boolean} over */
  showWorst(bad, waiting, over) {
    const title = run.state?.title ?? 'tmo';
    const [first] = [...bad.map(({ name }) => `▲ ${labelOf(name)}`), ...waiting.map(({ name }) => `? ${labelOf(name)}`)];
    const { view, values } = place.value;
    const what = view === 'overview' ? '' : `${values.name ? labelOf(values.name) : view} – `;
    document.title = first ? `${first} – ${title}` : `${what}${title} – tmo`;
    const color = over ? '#8b95a3' : bad.length ? '#e5484d' : waiting.length ? '#d97706' : '#30a46c';
    const shape = bad.length ? "<path d='M8 1 15 15H1z'/>" : "<circle cx='8' cy='8' r='7'/>";
    const icon = `data:image/svg+xml,${encodeURIComponent(`<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='${color}'>${shape}</svg>`)}`;
    const element = document.getElementById('icon');
    if (element?.getAttribute('href') !== icon) element?.setAttribute('href', icon);
    const text = [...bad.map(({ name }) => `${labelOf(name)} has failed`), ...waiting.map(({ name }) => `${labelOf(name)} waits for an answer`)].join('; ');
    if (this.news.textContent !== text && Date.now() - this.lastNews > 5000) {
      this.lastNews = Date.now();
      setText(this.news, text);
    }
  }

  shutDown() {
    const running = [...run.processes.values()].filter((process) => process.pid).length;
    const what = running === 1 ? '1 process' : `${running} processes`;
    confirm(`Shut down ${run.state?.title ?? ''}?`, `This stops ${what} and ends the run. Its log is kept.`, 'Shut down', quit);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {Element} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    if (target instanceof HTMLInputElement && target.type !== 'checkbox') return;
    if (target.closest('.terminal, select')) return;
    const log = this.view instanceof LogView ? this.view : null;
    const isNowhere = target === document.body || target === this.main;
    const digit = /^[0-9]$/.test(event.key) ? Number(event.key) : null;
    if (event.key === '?') help();
    else if (event.key === 'o') go({ view: 'overview', values: {} });
    else if (event.key === 'l') go({ view: 'log', values: lastLog(run.id) });
    else if (event.key === 'm') go({ view: 'figures', values: {} });
    else if (event.key === 'e') this.field.focus();
    else if (event.key === 'p') this.side.focusFilter();
    else if (digit === 0) show([]);
    else if (digit) {
      const name = [...run.processes.keys()][digit - 1];
      if (name) show([name]);
    } else if (!log && (event.key === 'r' || event.key === 's')) {
      if (!actOnRow(event.key, target)) return undefined;
    } else if (event.key === '/') {
      if (!log) go({ view: 'log', values: lastLog(run.id) });
      setTimeout(() => { if (this.view instanceof LogView) this.view.search.input.focus(); });
    } else if (!log) return;
    else if (event.key === 'n') log.search.find(true);
    else if (event.key === 'N') log.search.find(false);
    else if (event.key === 'f' || event.key === 'End') log.pane.follow();
    else if (event.key === 'Home') log.pane.first();
    else if (event.key === 'w') log.toggleWrap();
    else if (event.key === 't') log.nextTimes();
    else if (event.key === 'c') log.clear();
    else if (event.key === 'y') log.selection.copyLink();
    else if (event.key === 'Escape') log.escape(event);
    else if (event.key === 'J' || (event.shiftKey && event.key === 'ArrowDown')) log.selection.step(1, event.key !== 'J');
    else if (event.key === 'K' || (event.shiftKey && event.key === 'ArrowUp')) log.selection.step(-1, event.key !== 'K');
    else if (event.key === 'Enter' && (isNowhere || target === log.pane.view)) log.open();
    else if (isNowhere || ['j', 'k', 'PageUp', 'PageDown'].includes(event.key)) return log.pane.key(event);
    else return undefined;
    event.preventDefault();
    return undefined;
  }
}

/** That the host of the run does not answer. @param {import('./lib/hosts.js').Host} host */
function missing({ name, link, since, why }) {
  if (link === 'connecting') return `Connecting to ${name} …`;
  if (link === 'gone') return `${name} is not among the hosts of this page. Anything below is what the page knew.`;
  return `${name} does not answer since ${clock(new Date(ms(since ?? 0)))} (${why}); trying again. This page shows what it knew.`;
}

/** The words of the counts, in their order; those of states that pass follow. */
const COUNTED = ['running', 'failed', 'in a crash loop', 'waiting for an answer'];

/** What a process is counted as. @param {any} process */
function countedAs(process) {
  const [, kind] = signOf(process);
  if (looping(process)) return 'in a crash loop';
  if (kind === 'busy') return process.state === 'running' ? 'not ready yet' : process.state;
  if (isBad(process)) return 'failed';
  if (prompt(process) !== null) return 'waiting for an answer';
  return { end: 'stopping', install: 'installing', wait: 'waiting', off: 'ended' }[/** @type {string} */ (kind)] ?? 'running';
}

/** `6 running`, `1 stopping`: each process counts once. @param {any[]} all */
function counts(all) {
  const found = new Map(COUNTED.map((word) => [word, 0]));
  for (const process of all) {
    const word = countedAs(process);
    found.set(word, (found.get(word) ?? 0) + 1);
  }
  return [...found].filter(([word, count]) => count || word === 'running').map(([word, count]) => `${count} ${word}`);
}

/**
 * Restart, or start or stop, the process whose row has the focus.
 * @param {string} key @param {Element} target @returns {boolean} whether there is one
 */
function actOnRow(key, target) {
  const name = /** @type {HTMLElement | null} */ (target.closest('tr[data-name]'))?.dataset.name ?? '';
  const process = run.processes.get(name);
  if (!process || !canAct()) return false;
  if (key === 'r') act('restart', name);
  else act(process.can_stop ? 'stop' : 'start', name);
  return true;
}

/** The tab of the log leads to where the log was left, which is here. @param {MouseEvent} event */
function stayInLog(event) {
  if (pressed(event) && place.value.view === 'log') event.preventDefault();
}

/**
 * The text of a notification about a process, and the view that it opens.
 * @param {any} process @param {string} kind @param {string} what @param {string} view
 * @returns {[string, import('./lib/notices.js').Notice]}
 */
function notice({ name, lives, crash_loop: story }, kind, what, view) {
  const { id, state } = run;
  const open = () => go({ run: id, view, values: { name } });
  // One notice for all failures in a row.
  return [`${id} ${name} ${story ? '' : lives} ${kind}`, { text: `${labelOf(name)} ${what} (${state?.title ?? 'tmo'})`, open }];
}

/** A warning if the version of the run is newer than that of the web server. @param {string} [web] @param {string} [ofRun] */
function older(web, ofRun) {
  const numbers = (/** @type {string} */ version) => version.split(/[.-]/, 3).map(Number);
  if (!web || !ofRun) return '';
  const [a, b] = [numbers(web), numbers(ofRun)];
  const at = a.findIndex((number, at) => number !== b[at]);
  return at >= 0 && b[at] > a[at] ? `This page is of tmo ${web}, the run of ${ofRun}. Start tmo web again to see all of it.` : '';
}

/** The address of a link that logs in, and perhaps leads to a run: `#login=SECRET/r/RUN`. */
const LOGIN = /^#login=([^/]+)(\/.*)?$/;

/** Log in when a link is pasted into this tab, which changes only the fragment. Not if another program may answer here. */
function followLinks() {
  window.addEventListener('hashchange', () => {
    if (ended.value !== 'other' && LOGIN.test(location.hash)) location.reload();
  });
}

async function start() {
  applyTheme();
  const login = LOGIN.exec(location.hash);
  if (login) {
    // The link must not stay in the address.
    history.replaceState(null, '', location.pathname + (login[2] ? `#${login[2]}` : ''));
    window.dispatchEvent(new HashChangeEvent('hashchange'));
    try {
      await logIn(login[1]);
    } catch (error) {
      const { status, message } = /** @type {any} */ (error);
      if (!status) return otherServer();
      if (status !== 409) {
        followLinks();
        return loggedOut(message);
      }
    }
  }
  followLinks();
  window.addEventListener('unhandledrejection', (event) => setFailure('', event.reason?.message ?? 'something went wrong'));
  return new App();
}

start();
