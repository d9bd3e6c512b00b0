//! Commands that tmo runs beside the processes: checks, hooks, stop commands. All that one has
//! started ends with it: a process of tmo's own (`src/pane/beside.rs`) sees to that.

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

/// How long what was killed may take to go.
const LAST_MOMENTS: Duration = Duration::from_secs(3);

/// What is run beside the processes.
#[derive(Debug, Default)]
pub(super) struct Commands {
    /// Has a receiver for each command that runs, whatever it is for.
    running: watch::Sender<()>,
    /// Hooks that run.
    pub(super) hooks: Vec<JoinHandle<()>>,
    /// For each flag whose command runs, the match that it is run for next.
    pub(super) matched: HashMap<(ProcId, String), Weak<RefCell<Option<Order>>>>,
    /// The end of the run does not wait for them.
    hurried: bool,
}

impl Commands {
    /// The run is killed, and so is what runs beside it.
    pub(super) const fn hurry(&mut self) {
        self.hurried = true;
    }

    /// How long the end of the run waits for hooks, if it is in no hurry this long.
    pub(super) const fn patience(&self, usual: Duration) -> Duration {
        if self.hurried { Duration::ZERO } else { usual }
    }
}

/// A command that is run beside the processes.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// tmo.
    program: PathBuf,
    /// The runtime directory, by which it is known whose it is.
    runtime: PathBuf,
    /// Has a receiver for each that runs.
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

    /// Give up the commands that still run, and wait until nothing is left of them.
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

    /// Run it; what was wrong with it, if anything.
    pub(super) async fn succeeds(&self) -> Result<(), String> {
        self.outcome().await.map_err(|what| format!("{}: {what}", self.describe()))
    }

    /// The same without saying which command it was.
    pub(super) async fn outcome(&self) -> Result<(), String> {
        match self.status().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(status.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// As it is told.
    pub(super) fn describe(&self) -> String {
        format!("`{}`", self.command)
    }

    /// Run it to its end. All that it has started ends with it, or when this is given up.
    async fn status(&self) -> std::io::Result<ExitStatus> {
        self.feed(&[]).await
    }

    /// The same with something on its standard input.
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
        // Who takes over asks anew.
        sys::signal_with_parent(command.as_std_mut(), Signal::SIGHUP);
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let (wanted, given_up) = oneshot::channel::<()>();
        let running = self.running.subscribe();
        let ended = spawn_local(async move {
            let status = tokio::select! {
                status = child.wait() => status,
                _ = given_up => {
                    // Until it is reaped its number is that of its group and of nobody else.
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
            // Who does not read it does not want it.
            let _ = stdin.write_all(input).await;
        }
        let status = ended.await.map_err(std::io::Error::other)?;
        drop(wanted);
        status
    }
}
