//! Starts a new run: launches its guardian, and waits for it.

use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use crate::cli::output::print_warning;
use crate::cli::output::progress::while_blocked;
use crate::cli::persona::Persona;
use crate::cli::project::input::Start;
use crate::cli::reach::instance::taken_over;
use crate::cli::reach::launch::Launch;
use crate::cli::reach::leftovers;
use crate::cli::reach::request::{self, state_at};
use crate::cli::reach::wait::how_far;
use crate::cli::start::failures;
use crate::cli::view::signals::Early;
use crate::cli::view::{Until, ViewState};
use crate::cli::{CliError, output, runtime};
use crate::client::{COMMAND_LINE, TAKEOVER_LIMIT};
use crate::config::Env;
use crate::config::place::dirs::{make_private_dir, state_base};
use crate::model::event::RunProblem;
use crate::model::exit::{Culprit, End};
use crate::model::plan::Plan;
use crate::run::lock::{self, Door};
use crate::run::startup::StartupMessage;
use crate::sys::files;
use crate::view::screen::is_terminal;

/// The result.
pub(super) enum Begun {
    Shown(Box<ViewState>),
    /// In the background, with this exit code.
    Daemon(u8),
    /// Another command started it at the same moment.
    Overtaken,
}

impl Start {
    pub(super) fn launch(
        &self,
        fresh: Option<&(Plan, PathBuf)>,
        door: Door,
        early: Early,
    ) -> Result<Begun, CliError> {
        // Read before anything starts: the run may be over before this program is scheduled.
        let (plan, shown) = match fresh {
            Some((plan, _)) => (plan.clone(), None),
            None => (self.runtime.plan()?, self.runtime.shown()),
        };
        let file = fresh.map(|(_, file)| file.as_path());
        // The guardian takes this file; it is left over only if there was no guardian. It is removed before
        // the door opens: the next start writes a file of the same name.
        let discard = || file.map(std::fs::remove_file);
        let launch = Launch::begin(&self.tmo, self.runtime.dir(), file);
        let mut launch = launch.inspect_err(|_| drop(discard()))?;
        let first = self.first_message(&mut launch, fresh.is_some(), &early);
        discard();
        let first = match first? {
            // The run to take over has just ended.
            StartupMessage::Failed { .. } if fresh.is_none() && !self.runtime.has_survivors() => {
                return Ok(Begun::Overtaken);
            }
            StartupMessage::Failed { message, code } => {
                return Err(CliError::Start { message, code });
            }
            StartupMessage::Listening { adopted, first_record, note } => {
                note.into_iter()
                    .chain(adopted.map(taken_over))
                    .for_each(|text| print_warning(&text));
                first_record
            }
            StartupMessage::Held { .. }
            | StartupMessage::Running
            | StartupMessage::Ended { .. } => return Ok(Begun::Overtaken),
        };
        if self.wait.is_some() || !self.daemonize {
            if fresh.is_some() && self.wait.is_none() && !self.typed.ui {
                greet(&self.context.env);
            }
            let farewell = self.farewell(&plan);
            let mut shown = self.view_state(plan, first, shown, door, fresh.is_some());
            shown.early = Some(early);
            shown.until = self.wait.clone().map(|ready| Until {
                ready,
                instance: self.instance(),
                names: self.typed.names.clone(),
                farewell,
            });
            shown.waits = shown.until.as_ref().map(|until| until.end_that_meets(&shown.plan));
            return Ok(Begun::Shown(Box::new(shown)));
        }
        // The run listens, so a concurrent start finds it.
        drop(door);
        self.daemon(&plan, &mut launch, &early).map(Begun::Daemon)
    }

    /// Wait until a run in the background has started. Returns the exit code.
    fn daemon(&self, plan: &Plan, launch: &mut Launch, early: &Early) -> Result<u8, CliError> {
        let waited: Result<bool, CliError> = while_blocked(
            "starting",
            || self.how_far(),
            || Ok(self.wait_for_daemon(launch, early)? && self.has_settled(plan)?),
        );
        if let Some(error) = interrupted(early) {
            // The run may be over already.
            let address = self.address();
            let quit = request::quit(&address, &plan.run, COMMAND_LINE);
            let _ = runtime::block_on(quit);
            return Err(error);
        }
        if !waited? {
            let flags = self.flags();
            let text =
                format!("All processes have completed; `tmo logs{flags}` shows their output\n");
            output::print(&Persona::here().speak(&text))?;
            return Ok(0);
        }
        let code = failures::report(&self.instance(), plan, self.settles());
        if code == 0 {
            output::print(&self.farewell(plan))?;
        }
        Ok(code)
    }

    /// How far the start is, if the run answers yet.
    fn how_far(&self) -> Option<String> {
        let state = runtime::block_on(async { Ok(state_at(&self.address()).await.ok()) });
        how_far(&state.ok()??.processes)
    }

    /// The first message of the guardian or the supervisor.
    fn first_message(
        &self,
        launch: &mut Launch,
        is_fresh: bool,
        early: &Early,
    ) -> Result<StartupMessage, CliError> {
        let message = if is_fresh {
            launch.next().inspect_err(|_| self.clean_up(launch))
        } else {
            launch.takeover(self.instance().address(), TAKEOVER_LIMIT, Some(early.as_fd()))
        };
        message.map_err(|error| interrupted(early).unwrap_or(error))
    }

    /// Remove the files of a guardian and a supervisor that were killed before the run began. Only this
    /// command can do that: it holds the start lock, and nobody else knows of them.
    fn clean_up(&self, launch: &mut Launch) {
        let dir = self.runtime.dir();
        if launch.wait_for_death()
            && !lock::is_held(dir).unwrap_or(true)
            && !self.runtime.has_survivors()
        {
            // What can't be removed is replaced by the next start.
            let _ = leftovers::remove(&self.instance(), &[]);
        }
    }

    /// The message for a run that continues in the background; empty with `--until-ready`, whose command
    /// runs next.
    fn farewell(&self, plan: &Plan) -> String {
        if self.typed.until_ready {
            return String::new();
        }
        let flags = self.flags();
        Persona::here().speak(&format!(
            "Daemonized. `tmo logs -n 100 -f{flags}` shows the log, `tmo quit{flags}` ends it (socket {})\n",
            plan.socket_shown.as_path().display()
        ))
    }

    /// Whether a start in the background answers for what it has begun.
    fn settles(&self) -> bool {
        !self.typed.no_wait && Persona::here() == Persona::Tmo
    }

    /// Wait until all has proved to run, unless that is not wanted. Returns whether the run goes on.
    fn has_settled(&self, plan: &Plan) -> Result<bool, CliError> {
        if !self.settles() {
            return Ok(true);
        }
        match failures::settled(&self.instance(), plan)? {
            None => Ok(true),
            Some(End { completed: true, .. }) => Ok(false),
            Some(End { culprit, code, .. }) => Err(self.ended_by(culprit, code)),
        }
    }

    /// The error of a run that has ended during its start.
    fn ended_by(&self, culprit: Option<Culprit>, code: u8) -> CliError {
        let early = match culprit {
            Some(Culprit { name, exit, .. }) => {
                let how = exit.describe();
                format!("{name} ended with {how} during startup, which ended everything")
            }
            None => "everything was stopped before it had begun".to_owned(),
        };
        self.ended(&early, code)
    }

    fn ended(&self, early: &str, code: u8) -> CliError {
        let message = format!("{early}; `tmo why{}` tells more", self.flags());
        CliError::Start { message, code: code.max(1) }
    }

    /// Wait until every process has been started, or an interrupt; an earlier end is a failure, unless all
    /// processes have completed. Returns whether the run goes on.
    fn wait_for_daemon(&self, launch: &mut Launch, early: &Early) -> Result<bool, CliError> {
        loop {
            let Some(news) = launch.next_unless(early)? else { return Ok(true) };
            match news {
                StartupMessage::Failed { message, code } => {
                    return Err(CliError::Start { message, code });
                }
                StartupMessage::Ended { completed: true, .. } => return Ok(false),
                StartupMessage::Ended { code, culprit, problem, completed: false } => {
                    return Err(match problem.map(|problem| *problem) {
                        Some(RunProblem::NotStarted { on, why }) => {
                            self.ended(&format!("{on} could not be started: {why}"), code)
                        }
                        _ => self.ended_by(culprit, code),
                    });
                }
                StartupMessage::Running => return Ok(true),
                // Killed meanwhile; the next supervisor continues.
                StartupMessage::Listening { .. } | StartupMessage::Held { .. } => {}
            }
        }
    }
}

/// The error of an interrupted start, with the exit code that a shell would use.
fn interrupted(early: &Early) -> Option<CliError> {
    let message = "interrupted while it was starting".to_owned();
    early.asked().then_some(CliError::Start { message, code: 130 })
}

/// The file that records that this user has seen it, among the state directories.
const READ: &str = "greeted";

/// Print it once per user, on a terminal only.
fn greet(env: &Env) {
    let read = is_terminal(io::stdin()) && is_terminal(io::stdout()) && is_terminal(io::stderr());
    if !read || Persona::here() == Persona::Overmind || !is_first(env) {
        return;
    }
    print_warning(
        &"Ctrl-C stops all processes; `tmo help`, in another terminal, lists the commands",
    );
}

/// Whether this is the first time. If that can't be recorded, it counts as a later one.
fn is_first(env: &Env) -> bool {
    let base = state_base(env);
    let file = base.join(READ);
    make_private_dir(&base).is_ok() && files::create_new(&file).is_ok()
}
