//! Commands that tmo runs beside the processes: checks, hooks, stop commands. A parent process of
//! tmo's own (`src/pane/beside.rs`) ends everything that a command has started when the command
//! ends.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::rc::Weak;
use std::time::Duration;

use nix::libc::{SIGCONT, SIGHUP};
use nix::sys::signal::Signal;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use super::core::Engine;
use super::hooks::Order;
use super::probes::Probes;
use crate::model::ProcId;
use crate::model::plan::ProcessPlan;
use crate::model::text::OsText;
use crate::plan::{process_env, run_env};
use crate::sys;

/// How long killed commands may take to exit.
const LAST_MOMENTS: Duration = Duration::from_secs(3);

/// The commands that run beside the processes.
#[derive(Debug, Default)]
pub(super) struct Commands {
    /// Has one receiver per running command of any kind.
    running: watch::Sender<()>,
    /// Running hooks.
    pub(super) hooks: Vec<JoinHandle<()>>,
    /// For each flag whose command is running, the next match to run it for.
    pub(super) matched: HashMap<(ProcId, String), Weak<RefCell<Option<Order>>>>,
    /// Whether the end of the run does not wait for them.
    hurried: bool,
}

impl Commands {
    /// The run is killed, so do not wait for these commands.
    pub(super) const fn hurry(&mut self) {
        self.hurried = true;
    }

    /// How long the end of the run waits for hooks: the usual time, or not at all if it is being
    /// killed.
    pub(super) const fn patience(&self, usual: Duration) -> Duration {
        if self.hurried { Duration::ZERO } else { usual }
    }
}

/// A command that is run beside the processes.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// The tmo program.
    program: PathBuf,
    /// The runtime directory, which identifies the run in the arguments of the process.
    runtime: PathBuf,
    /// Has one receiver per running command.
    running: watch::Sender<()>,
    shell: OsText,
    command: OsText,
    cwd: OsText,
    env: Vec<(OsText, OsText)>,
}

impl Engine {
    /// A command in the directory and the environment of a process.
    pub(super) fn run_beside(&self, process: &ProcessPlan, command: &OsText) -> Run {
        let cwd = process.cwd.clone().unwrap_or_else(|| self.plan.root.clone());
        self.command_in(cwd, &process.shell, command, process_env(&self.plan, process))
    }

    /// A command in the root and the environment of the run.
    pub(super) fn run_for_all(&self, command: &OsText) -> Run {
        self.command_in(self.plan.root.clone(), &"/bin/sh".into(), command, run_env(&self.plan))
    }

    fn command_in(
        &self,
        cwd: OsText,
        shell: &OsText,
        command: &OsText,
        env: Vec<(OsText, OsText)>,
    ) -> Run {
        Run {
            program: sys::program(self.plan.tmo.as_path()),
            runtime: self.runtime.dir().to_owned(),
            running: self.commands.running.clone(),
            shell: shell.clone(),
            command: command.clone(),
            cwd,
            env,
        }
    }

    /// Abort the commands that are still running, and wait until nothing is left of them.
    pub(super) async fn end_commands(&mut self) {
        self.probes = Probes::default();
        for pane in &mut self.panes {
            pane.stop_run = None;
        }
        if timeout(LAST_MOMENTS, self.commands.running.closed()).await.is_err() {
            tracing::warn!("a check, a hook or a stop command can't be ended");
        }
    }
}

impl Run {
    /// Set a variable.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.env.push((name.into(), value.into()));
    }

    /// Run it, and return its error with the name of the command.
    pub(super) async fn succeeds(&self) -> Result<(), String> {
        self.outcome().await.map_err(|what| format!("{}: {what}", self.describe()))
    }

    /// The same without the name of the command in the error.
    pub(super) async fn outcome(&self) -> Result<(), String> {
        match self.status().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(status.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The command as it appears in messages.
    pub(super) fn describe(&self) -> String {
        format!("`{}`", self.command)
    }

    /// Run it to its end. Everything that it has started ends with it, also when this future is
    /// dropped.
    async fn status(&self) -> std::io::Result<ExitStatus> {
        self.feed(&[]).await
    }

    /// The same with `input` on its standard input.
    pub(super) async fn feed(&self, input: &[u8]) -> std::io::Result<ExitStatus> {
        let mut command = Command::new(&self.program);
        command
            .arg("beside")
            .arg(&self.runtime)
            .arg(self.shell.as_path())
            .arg(self.command.as_path())
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (&name.0, &value.0)))
            .current_dir(&self.cwd.0)
            .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        // The command ends with the supervisor: an adopter asks again.
        sys::signal_with_parent(command.as_std_mut(), Signal::SIGHUP);
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let (wanted, given_up) = oneshot::channel::<()>();
        let running = self.running.subscribe();
        let ended = spawn_local(async move {
            let status = tokio::select! {
                status = child.wait() => status,
                _ = given_up => {
                    // Until it is reaped, its pid can't be reused and is the id of its process
                    // group.
                    if let Some(pid) = child.id() {
                        let _ = sys::signal_group(pid, SIGHUP);
                        let _ = sys::signal_group(pid, SIGCONT);
                    }
                    child.wait().await
                }
            };
            drop(running);
            status
        });
        if let Some(mut stdin) = stdin {
            // A command that ignores its standard input causes a write error, which is harmless.
            let _ = stdin.write_all(input).await;
        }
        let status = ended.await.map_err(std::io::Error::other)?;
        drop(wanted);
        status
    }
}
