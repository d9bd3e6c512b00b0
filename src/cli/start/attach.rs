//! An existing run: this start becomes its view, unless the run is of another Procfile or with other flags.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use crate::cli::output::print_warning;
use crate::cli::persona::Persona;
use crate::cli::project::input::Start;
use crate::cli::reach::instance::of_another_session;
use crate::cli::reach::request;
use crate::cli::view::ViewState;
use crate::cli::view::signals::Early;
use crate::cli::{CliError, runtime};
use crate::client::{Listener, identify_listener};
use crate::engine::persisted_state::PersistedState;
use crate::model::state::State;
use crate::model::text::shell::quoted_words;
use crate::model::units;
use crate::run::dir::RuntimeDir;
use crate::run::listen;
use crate::run::lock::{self, Door};
use crate::sys::dial::{self, ListenerState};
use crate::sys::files::number;
use crate::view::screen::{clock_time, is_terminal};

/// How long a run that does not answer may take to end.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

impl Start {
    /// A run whose lock is not at the place that our own rules give: it belongs to another session of this
    /// user, or to a project that was moved while it ran.
    pub(super) fn runs_elsewhere(&self) -> Result<Option<RuntimeDir>, CliError> {
        let path = &self.project.socket.path;
        if !matches!(dial::probe(path), Ok(ListenerState::Live)) {
            return Ok(None);
        }
        // Any other listener is reported when its address is needed.
        let asked = runtime::block_on(async { Ok(identify_listener(path).await?) });
        let Ok(Listener::Tmo(state)) = asked else { return Ok(None) };
        if let Some(runtime) = of_another_session(&self.context.env, &state) {
            return Ok(Some(runtime));
        }
        // Its runtime directory is gone or belongs to another user, and with it everything that a view
        // needs.
        runtime::block_on(self.instance().refuse_run_in_our_place())?;
        Err(self.already_running(&state))
    }

    pub(super) fn already_running(&self, state: &State) -> CliError {
        let stopped = state.processes.iter().filter(|process| process.stopped_by_user);
        let stopped = stopped.map(|one| one.name.clone()).collect();
        CliError::AlreadyRunning { pid: state.pid, flags: self.flags(), stopped }
    }

    /// The state of the existing run, or why it is unknown. `None` if the run was being stopped: this waits
    /// until it has ended.
    pub(super) fn unless_ending(&self) -> Result<Option<Result<State, CliError>>, CliError> {
        let runtime = self.runtime.dir();
        let ended = |patience| lock::wait_free(runtime, patience).map_err(CliError::io("the lock"));
        let address = self.address();
        let asked = runtime::block_on(async {
            Ok(request::steadily(&address, |client| async move { client.state().await }).await)
        })?;
        match asked {
            Ok(state) if state.quitting => {
                print_warning(&"a run is being stopped here; waiting until it has ended");
                let limit = self.wait.as_ref().and_then(|ready| ready.limit);
                if ended(limit.unwrap_or(Duration::MAX))? {
                    return Ok(None);
                }
                let what = "the run that is being stopped has not ended".to_owned();
                Err(CliError::TimedOut { what, limit: units::span(limit.unwrap_or_default()) })
            }
            Ok(state) => Ok(Some(Ok(state))),
            Err(_) if ended(LAST_MOMENTS)? => Ok(None),
            Err(error) => Ok(Some(Err(error.into()))),
        }
    }

    /// Put the control socket of the run back in its place.
    pub(super) fn repair_socket(&self) {
        let socket = &self.project.socket;
        if listen::repair(&socket.path, self.runtime.dir()) {
            print_warning(&format!("{} was gone; it is back", socket.shown.display()));
        }
    }

    /// Become a view of an existing run; unless this is a terminal of tmo's own user, only if it has none. `None` if it
    /// has just ended.
    pub(super) fn attach(&self, state: &State, door: Door) -> Result<Option<ViewState>, CliError> {
        self.repair_socket();
        let is_tmo = Persona::here() == Persona::Tmo;
        let may_join = is_tmo && is_terminal(std::io::stdout());
        if state.views > 0 && !may_join || self.daemonize {
            return Err(self.already_running(state));
        }
        let known = self.runtime.plan().and_then(|plan| {
            let saved = PersistedState::load(&self.runtime, &plan)?;
            Ok((plan, saved))
        });
        let (plan, saved) = match known {
            Ok(known) => known,
            Err(error) => {
                let over = lock::wait_free(self.runtime.dir(), LAST_MOMENTS);
                if over.map_err(CliError::io("the lock"))? {
                    return Ok(None);
                }
                let flags = self.flags();
                let text =
                    format!("{error}: the log can't be shown; `tmo quit{flags}` ends the run");
                return Err(CliError::Other(text));
            }
        };
        let flags = self.flags();
        let leaves = if is_tmo {
            format!("Ctrl-C leaves it, `tmo quit{flags}` ends it")
        } else {
            format!("Ctrl-C ends it, `tmo detach{flags}` leaves it running")
        };
        let alone = (state.views == 0).then(|| state.headless_since.unwrap_or(state.started));
        let alone = alone.map_or_else(String::new, |since| {
            format!(", which had been without a terminal since {}", clock_time(since))
        });
        print_warning(&format!("attached to the run{alone}: {leaves}{}", self.stopped(state)));
        if self.typed.procfile.is_some() || self.typed.formation.is_some() {
            print_warning(&format!(
                "it goes on with its own settings; `tmo reload{flags}` and `tmo scale{flags}` change them"
            ));
        }
        let place = self.runtime.shown();
        let mut shown = self.view_state(plan, saved.first_record, place, door, false);
        shown.early = Some(Early::begin().map_err(CliError::io("signals"))?);
        shown.reminder = Some(format!("attached to the run: {leaves}{}", self.stopped(state)));
        Ok(Some(shown))
    }

    /// What a person has stopped in the run, and how it is started again.
    fn stopped(&self, state: &State) -> String {
        let stopped = state.processes.iter().filter(|process| process.stopped_by_user);
        let names: Vec<_> = stopped.map(|process| process.name.as_str()).collect();
        if names.is_empty() {
            return String::new();
        }
        let start = format!("tmo start {}{}", names.join(" "), self.flags());
        format!("; stopped: {} (`{start}`)", names.join(", "))
    }
}

impl Start {
    /// Refuse a run of a Procfile other than the one named here, and warn about flags that can't be applied
    /// to it.
    pub(super) fn refuse_other_procfile(&self) -> Result<(), CliError> {
        // A run that has just ended has no plan any more, and an early version does not record how it was
        // started.
        let Ok(plan) = self.runtime.plan() else { return Ok(()) };
        let backend = plan.backend;
        let flags = self.flags();
        let is_named = self.typed.procfile.is_some() || self.context.env.path("PROCFILE").is_some();
        let (theirs, procfile) = (plan.command(), plan.procfile.as_path().to_owned());
        let begun = Self::again(plan, self.runtime.clone()).ok();
        let procfile = begun.as_ref().map_or(procfile, |begun| begun.project.procfile.clone());
        // If the project was moved, its old Procfile is gone.
        let is_other_file =
            || number(&procfile).is_some_and(|its| number(&self.project.procfile) != Some(its));
        let typed = self.typed.command.iter().map(|word| word.as_bytes());
        let ours = Some(quoted_words(typed)).filter(|command| !command.is_empty());
        let is_other = match (&theirs, &ours) {
            (Some(theirs), Some(ours)) => theirs != ours,
            (None, Some(_)) => true,
            (Some(_), None) => is_named,
            (None, None) => is_named && begun.is_some() && is_other_file(),
        };
        // A command whose socket is not named takes another one.
        if is_other && self.number.is_none() {
            let file = |path: &Path| path.display().to_string();
            return Err(CliError::Other(format!(
                "the run at {} is for {}, not for {}: `tmo quit{flags}` ends it; -s SOCKET starts \
                 this one beside it",
                self.project.socket.shown.display(),
                theirs.unwrap_or_else(|| file(&procfile)),
                ours.unwrap_or_else(|| file(&self.project.procfile)),
            )));
        }
        let Some(begun) = begun else { return Ok(()) };
        let mut unapplied = self.typed.new_flags(&begun.typed);
        if self.typed.exit_code_from.is_some()
            && self.typed.exit_code_from != begun.typed.exit_code_from
        {
            unapplied.push("--exit-code-from".to_owned());
        }
        if self.typed.backend.is_some_and(|choice| !choice.allows(backend)) {
            unapplied.push("--backend".to_owned());
        }
        if !unapplied.is_empty() {
            print_warning(&format!(
                "a run is already up, so ignored: {}; to apply that, end it with \
                 `tmo quit{flags}` and start again",
                unapplied.join(", ")
            ));
        }
        Ok(())
    }
}
