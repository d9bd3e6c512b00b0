//! `tmo start --until-ready -- COMMAND`: a run for the duration of a command.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::Pin;
use std::process::ExitStatus;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::cli::reach::instance::Instance;
use crate::cli::reach::request::{ask_to_quit, end_of, key, request};
use crate::cli::view::signals::Early;
use crate::cli::view::{HUNG_UP, INTERRUPTED};
use crate::cli::{CliError, output, runtime};
use crate::client::ClientError;
use crate::config::inherit::is_ignored;
use crate::config::place::socket::SocketPath;
use crate::model::network::Network;
use crate::model::request::Request;
use crate::sys::{self, files};

/// A command, and the run that lasts as long as the command.
#[derive(Debug)]
pub(in crate::cli) struct Trial {
    command: Vec<OsString>,
    /// The run to start and stop.
    instance: Instance,
}

impl Trial {
    /// Fails if a run exists already, since that must not be stopped at the end.
    pub(in crate::cli) fn new(
        command: Vec<OsString>,
        instance: Instance,
    ) -> Result<Self, CliError> {
        if runtime::block_on(instance.state()).is_ok_and(|state| !state.quitting) {
            let flags = instance.flags();
            let message = format!(
                "a run is here already, and it is not this command's to stop: `tmo quit{flags}` \
                 ends it, `tmo wait --for ready{flags}` waits for it"
            );
            return Err(CliError::Start { message, code: 1 });
        }
        Ok(Self { command, instance })
    }

    /// Start the run, execute the command, stop everything; returns the command's exit code. `start` stores
    /// the id of the run that it starts. If another run has replaced it by the end, that one is not
    /// stopped.
    pub(in crate::cli) fn run_beside(
        self,
        start: impl FnOnce(&mut Option<String>) -> Result<u8, CliError>,
    ) -> Result<u8, CliError> {
        // Stores signals until there is a command to pass them on to.
        let early = Early::begin().map_err(CliError::io("signals"))?;
        let (mut run, mut was_run) = (None, false);
        let ran = match start(&mut run) {
            Ok(0) => runtime::block_on(self.run_command(early, &mut was_run)),
            // `start` has printed the error.
            failed => failed,
        };
        match (run.map_or(Ok(0), |run| self.quit(&run, was_run)), ran) {
            (Err(error), Ok(0)) => Err(error),
            // The command's own result takes precedence.
            (Err(error), ran) => {
                output::warn(&error);
                ran
            }
            (Ok(_), ran) => ran,
        }
    }

    /// Stop the run with this id, if it still exists. If the command was run, warn if the run ended before
    /// it.
    fn quit(self, run: &str, was_run: bool) -> Result<u8, CliError> {
        let mut instance = self.instance.only_of(run);
        let address = instance.address();
        let flags = instance.flags();
        let warn = |what: &str| {
            if was_run {
                output::warn(&format!(
                    "the run {what} before the command had ended; `tmo why{flags}` says more"
                ));
            }
        };
        let asked = async {
            let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::io("signals"))?;
            let mut asked: Pin<Box<dyn Future<Output = _>>> = if instance.state().await?.quitting {
                // A second request would kill the processes that are being stopped.
                warn("was being stopped");
                Box::pin(end_of(&instance))
            } else {
                Box::pin(request(&mut instance, Request::Quit, true))
            };
            let mut again = JoinSet::new();
            loop {
                tokio::select! {
                    done = &mut asked => return done,
                    // As in the view of a run: a second request kills the processes that have not ended
                    // yet.
                    _ = interrupt.recv() => {
                        let (address, run) = (address.clone(), run.to_owned());
                        again.spawn(async move { ask_to_quit(&address, &run, &key()).await.map(drop) });
                    }
                }
            }
        };
        match runtime::block_on(asked) {
            Err(CliError::NothingRuns { left: None, .. }) => {
                warn("was over");
                Ok(0)
            }
            Err(CliError::Client(ClientError::OtherRun { .. })) => Ok(0),
            asked => asked,
        }
    }

    /// Make `tmo` inside the command use this run even if the directory alone would lead to another run or
    /// to none.
    fn name_run_to(&self, command: &mut Command) {
        if self.instance.flags().is_empty() {
            return;
        }
        let SocketPath { path, tcp, .. } = &self.instance.socket;
        match tcp {
            Some(tcp) => command.env("TMO_SOCKET", &tcp.address),
            None => command.env("TMO_SOCKET", path),
        };
        command.env("TMO_NETWORK", tcp.as_ref().map_or(Network::Unix, |tcp| tcp.network).name());
        // In a process of another run, these contain the socket of that run: together with `TMO_SOCKET`
        // they would only be taken as a sign of where the caller comes from.
        command.env_remove("OVERMIND_SOCKET").env_remove("OVERMIND_NETWORK");
    }

    /// Signals from the terminal reach the command anyway; other signals are passed on.
    async fn run_command(&self, early: Early, was_run: &mut bool) -> Result<u8, CliError> {
        let Some((program, arguments)) = self.command.split_first() else { return Ok(0) };
        let failed = |error: std::io::Error| {
            let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
            let message = format!("{}: {error}", program.display());
            CliError::Start { message, code }
        };
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::io("signals"))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(CliError::io("signals"))?;
        let mut hangup = signal(SignalKind::hangup()).map_err(CliError::io("signals"))?;
        let mut changed = signal(SignalKind::child()).map_err(CliError::io("signals"))?;
        let nohup = is_ignored(Signal::SIGHUP);
        let mut command = Command::new(program);
        command.args(arguments);
        self.name_run_to(&mut command);
        if early.asked() || early.hung_up() {
            output::warn(&"the command was not run");
            return Ok(if early.asked() { INTERRUPTED } else { HUNG_UP });
        }
        *was_run = true;
        let mut child = command.spawn().map_err(failed)?;
        if early.interrupted() {
            // The terminal may have sent it before the command was started.
            send(child.id(), Signal::SIGINT);
        }
        drop(early);
        loop {
            let passed_on = tokio::select! {
                status = child.wait() => return Ok(code(status.map_err(failed)?)),
                _ = changed.recv() => {
                    suspend_with(child.id()).map_err(CliError::io("signals"))?;
                    continue;
                }
                // The terminal has sent it to the command as well.
                _ = interrupt.recv() => if in_foreground() { continue } else { Signal::SIGINT },
                _ = terminate.recv() => Signal::SIGTERM,
                _ = hangup.recv(), if !nohup => Signal::SIGHUP,
            };
            send(child.id(), passed_on);
            // A stopped command would not notice the signal until it is continued.
            send(child.id(), Signal::SIGCONT);
        }
    }
}

/// When Ctrl-Z has stopped the command, stop this process too, because the shell waits for this one. After
/// SIGCONT, both continue.
fn suspend_with(command: Option<u32>) -> std::io::Result<()> {
    const BY_TERMINAL: [Signal; 3] = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];
    let Some(pid) = command else { return Ok(()) };
    // The command may have ended.
    let stopped = sys::stopped_by(pid).ok().flatten();
    // Some programs react to Ctrl-Z by sending SIGSTOP to themselves.
    let by_user = |signal| BY_TERMINAL.iter().any(|own| *own as i32 == signal) || in_foreground();
    if stopped.is_some_and(by_user) {
        sys::stop()?;
        send(command, Signal::SIGCONT);
    }
    Ok(())
}

fn send(pid: Option<u32>, signal: Signal) {
    if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) {
        // It has just ended.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Whether Ctrl-C in the terminal reaches this process, and therefore its command.
fn in_foreground() -> bool {
    let terminal = files::open_terminal("/dev/tty".as_ref());
    terminal.is_ok_and(|terminal| tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
}

/// The exit code that a shell would report.
fn code(status: ExitStatus) -> u8 {
    let signal = || status.signal().map(|signal| signal + 128);
    status.code().or_else(signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
