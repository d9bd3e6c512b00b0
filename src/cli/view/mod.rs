//! The view of a run: shows the log, passes signals on, ends with the run's exit code.
//!
//! Its control connection carries no text, only the position at which the journal ends. If that connection
//! breaks, the supervisor was killed; the guardian starts a new one, and if the guardian is dead too, the
//! view starts one.

mod display;
pub(super) mod keyboard;
mod reach;
pub(super) mod signals;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::OptionFuture;
use tokio::task::JoinSet;

pub(super) use self::display::{Display, Say};
pub(super) use self::signals::{stop_signal, while_wanted};
use crate::cli::error::CliError;
use crate::cli::output::outlet::{FAREWELL, Lost, Outlet};
use crate::cli::persona::Persona;
use crate::cli::reach::instance::Instance;
use crate::cli::reach::log::Source;
use crate::cli::reach::wait::Readiness;
use crate::cli::view::keyboard::Typing;
use crate::cli::view::signals::Early;
use crate::cli::{output, runtime};
use crate::client::{Client, HeadEvent, HeadStream};
use crate::config::Env;
use crate::journal::read::cursor::Position;
use crate::model::exit::{Culprit, End, Failing};
use crate::model::plan::rules::{Check, Probe};
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::request::{ChangeOrder, Head, Request};
use crate::model::units::in_a_row;
use crate::model::{Exit, Untrusted};
use crate::run::dir::RuntimeDir;
use crate::run::lock::Door;
use crate::sys::files;
use crate::view::paint::Stamp;
use crate::view::printer::{Farewell, Job, Printer};
use crate::view::{screen, words};

/// How long the end of the log may take to print once a signal asks not to wait for it.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// 128 + SIGHUP: the exit code of a command that has lost its terminal.
pub(super) const HUNG_UP: u8 = 129;

#[derive(Debug)]
pub(super) struct ViewState {
    pub(super) plan: Plan,
    pub(super) runtime: RuntimeDir,
    pub(super) tmo: PathBuf,
    pub(super) env: Env,
    /// The flags that name the run, for the commands in messages.
    pub(super) flags: String,
    pub(super) timestamps: bool,
    /// Where to begin.
    pub(super) position: Position,
    /// The start lock, kept until this view is registered, so that a concurrent start finds it.
    pub(super) door: Option<Door>,
    /// Signals that arrived before this view could handle them.
    pub(super) early: Option<Early>,
    /// When to detach, and the message for that.
    pub(super) until: Option<Until>,
    /// The requests to stop that are in progress.
    pub(super) quits: JoinSet<()>,
    /// This view has requested a stop.
    pub(super) interrupted: bool,
    /// It stops the run when it is interrupted; other views are only left.
    pub(super) owns: bool,
    /// Said once the log so far has been printed, which pushes what was said before off the screen.
    pub(super) reminder: Option<String>,
    /// If something is awaited: which end of the run fulfils it.
    pub(super) waits: Option<EndThatMeets>,
}

/// Which end of a run with success fulfils a condition that is awaited.
#[derive(Debug)]
pub(super) enum EndThatMeets {
    Any,
    /// One at which all processes had completed.
    Completion,
    None,
}

/// A condition after which the view detaches from the run.
#[derive(Debug)]
pub(super) struct Until {
    pub(super) ready: Readiness,
    pub(super) instance: Instance,
    /// The processes to wait for; empty means all.
    pub(super) names: Vec<String>,
    /// Printed once the condition is met.
    pub(super) farewell: String,
}

/// The exit code of a command that was ended by SIGINT or SIGTERM.
pub(super) const INTERRUPTED: u8 = 130;

/// Why a view ends.
enum Ending {
    /// The run ended; the output may have failed before.
    Over(End, Option<std::io::Error>),
    /// Its terminal is gone.
    Hangup,
    /// It was detached; the run goes on.
    Left,
    /// The awaited condition is met, or has become impossible; the run goes on.
    Waited(Result<String, CliError>),
}

/// How a view continues after its connection has broken.
pub(super) enum ViewContinuation {
    News(HeadStream),
    Over(End),
}

/// Show the run until it ends; returns its exit code.
pub(super) fn show(mut shown: ViewState) -> Result<u8, CliError> {
    let mut outlet = Outlet::open(shown.job()?)?;
    // After a trial everything is stopped, so there is no farewell.
    let goes_on = shown.until.as_ref().is_some_and(|until| !until.farewell.is_empty());
    runtime::block_on(async {
        outlet.obey_terminal();
        let ending = match shown.follow(&mut outlet).await {
            Ok(ending) => ending,
            Err(error) => {
                outlet.leave(FAREWELL).await;
                return Err(error);
            }
        };
        let end = match ending {
            Ending::Over(end, None) => end,
            Ending::Over(_, Some(error)) => return Err(CliError::io("can't show the log")(error)),
            ending @ (Ending::Hangup | Ending::Left) => {
                outlet.leave(FAREWELL).await;
                if matches!(ending, Ending::Hangup) {
                    return Ok(HUNG_UP);
                }
                let flags = &shown.flags;
                output::warn(&format!(
                    "detached; `tmo start{flags}` shows what follows, `tmo quit{flags}` ends it"
                ));
                return Ok(0);
            }
            Ending::Waited(came) => {
                shown.catch_up(&outlet.printer)?;
                outlet.finish(stop_signal()).await;
                return match came {
                    Ok(farewell) => output::print(&farewell),
                    Err(error) => {
                        if goes_on {
                            let flags = &shown.flags;
                            output::warn(&format!("the run goes on; `tmo quit{flags}` ends it"));
                        }
                        Err(error)
                    }
                };
            }
        };
        Ok(shown.finish(outlet, &end).await)
    })
}

/// Print only the last words of a run that was shown in another way; returns its exit code.
pub(super) async fn finish_quietly(mut shown: ViewState, end: &End) -> Result<u8, CliError> {
    let records = Source::of_plan(&shown.plan, shown.runtime.dir())?.records()?;
    shown.position = Position { record: records, skip: 0 };
    let outlet = Outlet::open(shown.job()?)?;
    Ok(shown.finish(outlet, end).await)
}

impl Until {
    /// Which end of a run with success fulfils the condition: any if no check has to pass first, but before a
    /// command only one after which no process is needed.
    pub(super) fn end_that_meets(&self, plan: &Plan) -> EndThatMeets {
        let ends = |check: &Check| matches!(check.probe, Probe::Exit { .. });
        let is_plain = |process: &ProcessPlan| process.rules.ready.iter().all(ends);
        if !self.ready.listening.is_empty() || !plan.present().all(is_plain) {
            EndThatMeets::None
        } else if self.farewell.is_empty() {
            EndThatMeets::Completion
        } else {
            EndThatMeets::Any
        }
    }

    async fn wait(self) -> Result<String, CliError> {
        let Self { ready, instance, names, farewell } = self;
        ready.wait(instance, &names).await.map(|()| farewell)
    }
}

impl ViewState {
    /// Print the rest of the log and the last words; returns the exit code.
    async fn finish(mut self, outlet: Outlet, end: &End) -> u8 {
        // From now on they could only reach a different run.
        self.quits.abort_all();
        if let Some(farewell) = self.last_words(end) {
            outlet.printer.say_farewell(farewell);
        }
        // A key that is held down must not hide how the run ended.
        let stop = async {
            let stopped = stop_signal().await;
            tokio::time::sleep(LAST_WORDS).await;
            stopped
        };
        outlet.finish(stop).await;
        self.exit_code(end)
    }

    /// The exit code of the run, or of a failed wait.
    fn exit_code(&self, end: &End) -> u8 {
        let is_unmet = |by: &EndThatMeets| match by {
            EndThatMeets::Any => false,
            EndThatMeets::Completion => !end.completed,
            EndThatMeets::None => true,
        };
        if end.code == 0 && self.waits.as_ref().is_some_and(|by| self.interrupted || is_unmet(by)) {
            output::warn(&"the run ended before all of it was ready");
            return if self.interrupted { INTERRUPTED } else { 1 };
        }
        end.code
    }

    fn job(&self) -> Result<Job, CliError> {
        let source = Source::of_plan(&self.plan, self.runtime.dir())?;
        let stamp = if self.timestamps { Stamp::Clock } else { Stamp::None };
        let mut style = Source::style(&self.env, stamp);
        style.name_width = style.name_width.max(self.plan.name_width);
        let mut job = source.job(self.position, source.filter(&[])?, style);
        // The file is gone if the run is over already.
        job.shown = files::open_to_write(&self.runtime.shown_file()).ok();
        job.rings = screen::is_terminal(std::io::stdout());
        let renderer = &job.formatter.renderer;
        renderer.title(&self.plan.title, Persona::here().name(), &mut job.first);
        renderer.title_before(&mut job.last);
        Ok(job)
    }

    /// Show everything in the log. Its last records may not have been announced to this view yet.
    fn catch_up(&self, printer: &Printer) -> Result<(), CliError> {
        let records = Source::of_plan(&self.plan, self.runtime.dir())?.records()?;
        printer.head(Head { records, ..Head::default() });
        Ok(())
    }

    /// Which process ended first, why, and its last lines if it failed: otherwise the reason might have
    /// scrolled away.
    fn last_words(&self, end: &End) -> Option<Farewell> {
        const LINES: u64 = 10;
        let decided: Vec<_> = decided_by(end).into_iter().chain(self.crash_loops(end)).collect();
        let Some(culprit) = &end.culprit else {
            return (!decided.is_empty()).then(|| Farewell::plain(decided));
        };
        let error = culprit.exit != Exit::Code(0);
        let lines = Source::of_plan(&self.plan, self.runtime.dir())
            .and_then(|source| source.last_lines(&culprit.name, LINES))
            .unwrap_or_default();
        let lines: Vec<&[u8]> = lines.split(|&b| b == b'\n').filter(|l| !l.is_empty()).collect();
        let mut brief = words::last_words(culprit, &[]);
        let mut full = words::last_words(culprit, if error { &lines } else { &[] });
        let is_read = Persona::here() == Persona::Tmo && screen::is_terminal(std::io::stdout());
        let why = (error && is_read).then(|| format!("`tmo why{}` explains it", self.flags));
        let more: Vec<_> = self.way_to_end(culprit).into_iter().chain(decided).chain(why).collect();
        brief.extend_from_slice(&more);
        full.extend(more);
        Some(Farewell { name: culprit.name.to_string(), full, brief, error })
    }

    /// The processes that had failed again and again.
    fn crash_loops(&self, end: &End) -> impl Iterator<Item = String> {
        let failing = end.failing.iter().filter(|_| Persona::here() == Persona::Tmo);
        failing.map(|Failing { name, times }| {
            format!("{name} crashed {}; see `tmo crashes {name}{}`", in_a_row(*times), self.flags)
        })
    }

    /// How to start a process that has ended with success, and so has stopped others.
    fn way_to_end(&self, culprit: &Culprit) -> Option<String> {
        let ended_well = culprit.exit == Exit::Code(0) && culprit.cause.is_none();
        if !ended_well || Persona::here() != Persona::Tmo {
            return None;
        }
        let (name, flags) = (&culprit.name, &self.flags);
        let start = self.plan.way_to_end(name)?;
        Some(format!("if {name} may end: `{start}{flags}`, or `on_exit = \"ignore\"` in tmo.toml"))
    }

    /// Follow the run until it ends, or this terminal does.
    async fn follow(&mut self, outlet: &mut Outlet) -> Result<Ending, CliError> {
        let mut signals = signals::ViewSignals::new().map_err(CliError::io("signals"))?;
        let early = self.early.take();
        let asked = early.as_ref().is_some_and(Early::asked);
        let hung_up = early.is_some_and(|early| early.hung_up());
        signals.asked = asked.then(Instant::now);
        let news = match self.connect(&outlet.printer).await? {
            ViewContinuation::News(news) => news,
            ViewContinuation::Over(end) => return Ok(Ending::Over(end, None)),
        };
        self.door = None;
        if asked && !self.owns {
            return Ok(Ending::Left);
        }
        if asked {
            self.quit(&outlet.printer);
        }
        // The next user of the terminal gets it unchanged.
        let typing = Typing::begin(self.until.is_none() && !asked);
        if hung_up {
            return Ok(Ending::Hangup);
        }
        self.follow_news(news, outlet, signals, typing).await
    }

    async fn follow_news(
        &mut self,
        mut news: HeadStream,
        outlet: &mut Outlet,
        mut signals: signals::ViewSignals,
        mut typing: Typing,
    ) -> Result<Ending, CliError> {
        let mut failed = None;
        let mut lost = false;
        // The run of a COMMAND ends with the command, so this view can't be detached from it.
        let stays = self.until.as_ref().is_some_and(|until| until.farewell.is_empty());
        let mut waiting = self.until.take().map(|until| Box::pin(until.wait()));
        loop {
            // After SIGTERM, only another signal counts for a moment.
            let held = signals.terminated.is_some();
            tokio::select! {
                // Signals have priority.
                biased;
                sign = signals.next() => match sign {
                    signals::Sign::Stop if !self.owns => return Ok(Ending::Left),
                    signals::Sign::Stop => {
                        // Input from now on is left for the shell.
                        typing.end();
                        self.quit(&outlet.printer);
                    }
                    signals::Sign::Hangup => return Ok(Ending::Hangup),
                    signals::Sign::Nothing => {}
                    signals::Sign::Resize => self.resize(&outlet.printer),
                },
                Some(line) = typing.line(), if !held => {
                    if line.is_empty() && Persona::here() == Persona::Tmo && !stays {
                        return Ok(Ending::Left);
                    }
                    self.answer(&mut typing, &line, &outlet.printer);
                }
                what = outlet.lost(), if !held && !lost => match what {
                    Lost::Terminal => return Ok(Ending::Hangup),
                    Lost::Reader if !self.owns => return Ok(Ending::Left),
                    what @ (Lost::Reader | Lost::Failed(_)) => {
                        lost = true;
                        failed = if let Lost::Failed(error) = what { Some(error) } else { None };
                        self.quit(&outlet.printer);
                    }
                },
                event = news.next(), if !held => match event.and_then(Result::ok) {
                    Some(HeadEvent::Head(head)) => self.show_head(head, &mut typing, &outlet.printer),
                    Some(HeadEvent::End(end)) => return Ok(Ending::Over(end, failed)),
                    Some(HeadEvent::Leave) if !self.interrupted && !stays => return Ok(Ending::Left),
                    Some(HeadEvent::Leave) | None => match self.connect(&outlet.printer).await? {
                        ViewContinuation::News(fresh) => news = fresh,
                        ViewContinuation::Over(end) => return Ok(Ending::Over(end, failed)),
                    },
                },
                Some(came) = OptionFuture::from(waiting.as_mut()), if !held => {
                    if !self.interrupted && !is_over(&came) {
                        return Ok(Ending::Waited(came));
                    }
                    // The end of the run is about to be announced here too, with details.
                    waiting = None;
                }
            }
        }
    }

    fn show_head(&mut self, head: Head, typing: &mut Typing, printer: &Printer) {
        if head.stopping {
            typing.end();
        }
        printer.head(head);
        let reminder = self.reminder.take();
        if let Some(text) = reminder.filter(|_| screen::is_terminal(std::io::stdout())) {
            printer.say(Persona::here().speak(&text), false);
        }
    }

    /// Restart the processes if the line asks for that; otherwise explain how to reach one.
    fn answer(&self, typing: &mut Typing, line: &str, printer: &Printer) {
        if line.trim_end() == "r" && Persona::here() == Persona::Tmo {
            return self.restart(printer);
        }
        if line.ends_with('\n') {
            printer.entered();
        }
        let present = self.plan.processes.iter().filter(|process| !process.removed);
        let names: Vec<_> = present.map(|process| process.name.as_str()).collect();
        if let Some(answer) = typing.answer(line, &names, &self.flags) {
            printer.say(Persona::here().speak(&answer), false);
        }
    }

    /// Restart all processes.
    fn restart(&self, printer: &Printer) {
        printer.entered();
        let (address, say) = (self.address(), printer.teller());
        tokio::spawn(async move {
            let request = Request::Restart { names: vec![], order: ChangeOrder::default() };
            let asked = async { Client::connect(&address).await?.request(&request, false).await };
            match asked.await {
                Ok(outcome) if outcome.ok => {}
                Ok(outcome) => say(Untrusted::join(&outcome.problems, "; "), true),
                Err(error) => say(format!("nothing was restarted: {error}"), true),
            }
        });
    }

    /// Adapt the panes to the terminal that shows their log.
    fn resize(&self, printer: &Printer) {
        let Some((columns, _)) = screen::window_size(std::io::stdout()) else { return };
        printer.resize(columns);
        let width = self.plan.name_width;
        let Some(terminal) = screen::window_size(std::io::stdin()) else { return };
        let (columns, rows) = screen::pane_size(Some(terminal), width, self.timestamps);
        let address = self.address();
        tokio::spawn(async move {
            if let Ok(client) = Client::connect(&address).await {
                let _ = client.request(&Request::Resize { columns, rows }, false).await;
            }
        });
    }
}

/// Whether a wait failed because the run is over; a very short run may be gone before the readiness was checked.
const fn is_over(came: &Result<String, CliError>) -> bool {
    matches!(came, Err(CliError::Over(_) | CliError::NothingRuns { .. }))
}

/// The process that determined the exit code, if it is not the one that ended first.
fn decided_by(end: &End) -> Option<String> {
    let decider = end.decider.as_ref()?;
    let (name, code) = (&decider.name, end.code);
    match &end.culprit {
        Some(culprit) if culprit.name == *name => None,
        Some(culprit) if decider.interrupted => Some(format!(
            "{name} was interrupted by the end of {culprit} (exit {code}); \
             `tmo start --exit-code-from {culprit}` returns the code of {culprit}",
            culprit = culprit.name,
        )),
        Some(_) | None => Some(format!("exiting with code {code}, from {name}")),
    }
}
