//! Commands that tmo runs beside the processes: checks, hooks, stop commands. A parent process of
//! tmo's own (`src/pane/beside.rs`) ends everything that a command has started when the command
//! ends.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::libc::{SIGCONT, SIGHUP};
use nix::sys::signal::Signal;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::model::plan::{Plan, ProcessPlan};
use crate::model::process_env::{process_env, run_env};
use crate::model::text::OsText;
use crate::sys;

/// How long killed commands may take to exit.
const LAST_MOMENTS: Duration = Duration::from_secs(3);

/// Creates the commands of a run, and knows which are running.
#[derive(Debug)]
pub(super) struct AuxCommands {
    /// The runtime directory, which identifies the run in the arguments of a process.
    runtime: PathBuf,
    /// Each running command holds a receiver, so the number of receivers is the number of running commands.
    running: watch::Sender<()>,
}

/// A command that is run beside the processes.
#[derive(Debug, Clone)]
pub(super) struct AuxCommand {
    /// The tmo program.
    program: PathBuf,
    runtime: PathBuf,
    running: watch::Sender<()>,
    shell: OsText,
    command: OsText,
    cwd: OsText,
    env: Vec<(OsText, OsText)>,
}

impl AuxCommands {
    pub(super) fn new(runtime: &Path) -> Self {
        Self { runtime: runtime.to_owned(), running: watch::Sender::new(()) }
    }

    /// A command in the directory and the environment of a process.
    pub(super) fn of_process(
        &self,
        plan: &Plan,
        process: &ProcessPlan,
        command: &OsText,
    ) -> AuxCommand {
        AuxCommand {
            shell: process.shell.clone(),
            cwd: process.cwd.clone().unwrap_or_else(|| plan.root.clone()),
            env: process_env(plan, process),
            ..self.of_run(plan, command)
        }
    }

    /// A command in the root and the environment of the run.
    pub(super) fn of_run(&self, plan: &Plan, command: &OsText) -> AuxCommand {
        AuxCommand {
            program: sys::program(plan.tmo.as_path()),
            runtime: self.runtime.clone(),
            running: self.running.clone(),
            shell: "/bin/sh".into(),
            command: command.clone(),
            cwd: plan.root.clone(),
            env: run_env(plan),
        }
    }

    /// Wait until nothing is left of the commands that were aborted.
    pub(super) async fn gone(&self) {
        if timeout(LAST_MOMENTS, self.running.closed()).await.is_err() {
            tracing::warn!("a check, a hook or a stop command can't be ended");
        }
    }
}

impl AuxCommand {
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
        match self.feed(&[]).await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(status.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The command as it appears in messages.
    pub(super) fn describe(&self) -> String {
        format!("`{}`", self.command)
    }

    /// Run it to its end, with `input` on its standard input. Everything that it has started ends with
    /// it, also when this future is dropped.
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
