//! `tmo start --until-ready -- COMMAND`: a run for the length of a command.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::error::CliError;
use super::instance::Instance;
use super::request::request;
use crate::client::ClientError;
use crate::config::inherit::is_ignored;
use crate::config::socket::SocketPath;
use crate::model::network::Network;
use crate::model::request::Request;

/// A command, and the run that is there as long as it goes on.
#[derive(Debug)]
pub(super) struct Trial {
    command: Vec<OsString>,
    /// The run to start and stop.
    instance: Instance,
}

impl Trial {
    /// Fails if a run is there already, since it must not be stopped at the end.
    pub(super) fn new(command: Vec<OsString>, instance: Instance) -> Result<Self, CliError> {
        if super::block_on(instance.state()).is_ok_and(|state| !state.quitting) {
            let flags = instance.flags();
            let message = format!(
                "a run is here already, and it is not this command's to stop: `tmo quit{flags}` \
                 ends it, `tmo wait --for ready{flags}` waits for it"
            );
            return Err(CliError::Start { message, code: 1 });
        }
        Ok(Self { command, instance })
    }

    /// Start, run the command, stop everything; the command's exit code.
    /// `start` stores the id of the run that it starts. If another run has replaced it by the end, that one
    /// is not stopped.
    pub(super) fn run(
        self,
        start: impl FnOnce(&mut Option<String>) -> Result<u8, CliError>,
    ) -> Result<u8, CliError> {
        let mut run = None;
        let begun = start(&mut run);
        let ran = match begun {
            Ok(0) => super::block_on(self.run_command()),
            // It has said why.
            Ok(code) => Ok(code),
            Err(error) => Err(error),
        };
        match run.map_or(Ok(0), |run| self.quit(&run)) {
            // How the command ended counts more.
            Err(error) if matches!(ran, Ok(0)) => Err(error),
            Ok(_) | Err(_) => ran,
        }
    }

    /// Stop the run with this id, if it still exists.
    fn quit(self, run: &str) -> Result<u8, CliError> {
        let mut instance = self.instance.only_of(run);
        let asked = async {
            instance.state().await?;
            request(&mut instance, Request::Quit, true).await
        };
        match super::block_on(asked) {
            Err(CliError::NothingRuns(_) | CliError::Client(ClientError::OtherRun { .. })) => Ok(0),
            asked => asked,
        }
    }

    /// Have `tmo` in the command mean this run also where the directory alone would lead to another one
    /// or to none.
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
        // In a process of another run, these hold the socket of that run: with `TMO_SOCKET` they would
        // count as no more than the place where the caller comes from.
        command.env_remove("OVERMIND_SOCKET").env_remove("OVERMIND_NETWORK");
    }

    /// A signal that a terminal sends reaches the command by itself; another is passed on.
    async fn run_command(&self) -> Result<u8, CliError> {
        let Some((program, arguments)) = self.command.split_first() else { return Ok(0) };
        let failed = |error: std::io::Error| {
            let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
            let message = format!("{}: {error}", program.display());
            CliError::Start { message, code }
        };
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::io("signals"))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(CliError::io("signals"))?;
        let mut hangup = signal(SignalKind::hangup()).map_err(CliError::io("signals"))?;
        let nohup = is_ignored(nix::sys::signal::Signal::SIGHUP);
        let mut command = Command::new(program);
        command.args(arguments);
        self.name_run_to(&mut command);
        let mut child = command.spawn().map_err(failed)?;
        let pass_on = |number: i32, pid: Option<u32>| {
            if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) {
                let signal = nix::sys::signal::Signal::try_from(number).ok();
                // It has ended just now.
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
            }
        };
        loop {
            tokio::select! {
                status = child.wait() => return Ok(code(status.map_err(failed)?)),
                _ = interrupt.recv() => {}
                _ = terminate.recv() => pass_on(nix::libc::SIGTERM, child.id()),
                _ = hangup.recv(), if !nohup => pass_on(nix::libc::SIGHUP, child.id()),
            }
        }
    }
}

/// As a shell has it.
fn code(status: ExitStatus) -> u8 {
    let signal = || status.signal().map(|signal| signal + 128);
    status.code().or_else(signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
