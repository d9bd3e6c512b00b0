//! Commands that tmo runs beside the processes: checks, hooks, stop commands. A parent process of
//! tmo's own (`crates/terminal/src/pane/beside.rs`) ends everything that a command has started when the command
//! ends.

use std::io::PipeWriter;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::libc::{SIGCONT, SIGHUP};
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::model::plan::process_env::{process_env, run_env};
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::terminal::line::plain_text;
use crate::model::text::OsText;
use crate::model::{ProcId, Untrusted};
use crate::sys;

/// How long killed commands may take to exit.
const LAST_MOMENTS: Duration = Duration::from_secs(3);

/// How much of the output of a failed command is kept, in bytes and in lines.
const KEPT_BYTES: usize = 8 << 10;
const KEPT_LINES: usize = 20;

/// Creates the commands of a run, and knows which are running.
#[derive(Debug)]
pub(crate) struct AuxCommands {
    /// The runtime directory, which identifies the run in the arguments of a process.
    runtime: PathBuf,
    /// Each running command holds a receiver, so the number of receivers is the number of running commands.
    running: watch::Sender<()>,
}

/// A command that is run beside the processes.
#[derive(Debug, Clone)]
pub(crate) struct AuxCommand {
    /// The tmo program.
    program: PathBuf,
    runtime: PathBuf,
    running: watch::Sender<()>,
    shell: OsText,
    command: OsText,
    cwd: OsText,
    env: Vec<(OsText, OsText)>,
    /// What it reads from its standard input.
    input: Vec<u8>,
}

/// A hook to be run because a flag has matched.
#[derive(Debug)]
pub(crate) struct FlagHook {
    /// The flag, by process and name.
    pub(crate) flag: (ProcId, String),
    /// Whether the flag has matched again within its pause.
    pub(crate) is_early: bool,
    pub(crate) command: AuxCommand,
}

/// How a hook has failed.
#[derive(Debug)]
pub(crate) struct HookFailure {
    pub(crate) why: String,
    /// Its exit code.
    pub(super) code: u8,
}

impl AuxCommands {
    pub(crate) fn new(runtime: &Path) -> Self {
        Self { runtime: runtime.to_owned(), running: watch::Sender::new(()) }
    }

    /// A command in the directory and the environment of a process.
    pub(crate) fn of_process(
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
    pub(crate) fn of_run(&self, plan: &Plan, command: &OsText) -> AuxCommand {
        AuxCommand {
            program: sys::program(plan.tmo.as_path()),
            runtime: self.runtime.clone(),
            running: self.running.clone(),
            shell: "/bin/sh".into(),
            command: command.clone(),
            cwd: plan.root.clone(),
            env: run_env(plan),
            input: vec![],
        }
    }

    /// A hook: a command of the run for the event of this name, with its data.
    pub(crate) fn of_event(
        &self,
        plan: &Plan,
        command: &OsText,
        event: &str,
        data: &Value,
    ) -> AuxCommand {
        let input = data.to_string().into_bytes();
        let mut hook = AuxCommand { input, ..self.of_run(plan, command) };
        hook.set("TMO_EVENT", event);
        hook
    }

    /// Wait until nothing is left of the commands that were aborted.
    pub(crate) async fn gone(&self) {
        if timeout(LAST_MOMENTS, self.running.closed()).await.is_err() {
            tracing::warn!("a check, a hook or a stop command can't be ended");
        }
    }
}

/// The last lines that are read from a pipe until its end.
async fn last_lines(mut output: pipe::Receiver) -> Vec<Untrusted> {
    let (mut kept, mut buffer) = (vec![], [0; 4096]);
    // An error is the end, too.
    while let Ok(count @ 1..) = output.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..count]);
        kept.drain(..kept.len().saturating_sub(KEPT_BYTES));
    }
    let lines =
        kept.split(|byte| *byte == b'\n').map(|line| plain_text(line).trim_end().to_owned());
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).map(Untrusted::from).collect();
    lines[lines.len().saturating_sub(KEPT_LINES)..].to_vec()
}

impl AuxCommand {
    /// Set a variable.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.push((name.into(), value.into()));
    }

    /// Run it, and return its error with the name of the command.
    pub(crate) async fn succeeds(&self) -> Result<(), String> {
        match self.status(None).await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{}: {status}", self.describe())),
            Err(error) => Err(format!("{}: {error}", self.describe())),
        }
    }

    /// Run it; if it fails, returns how, and the last lines that it has printed.
    pub(crate) async fn printed(&self) -> Result<(), (String, Vec<Untrusted>)> {
        let run = async {
            let (reader, writer) = std::io::pipe()?;
            let output = pipe::Receiver::from_owned_fd(reader.into())?;
            let ended = self.status(Some(writer));
            let (status, lines) = tokio::join!(ended, last_lines(output));
            Ok::<_, std::io::Error>((status?, lines))
        };
        match run.await {
            Ok((status, _)) if status.success() => Ok(()),
            Ok((status, lines)) => Err((status.to_string(), lines)),
            Err(error) => Err((error.to_string(), vec![])),
        }
    }

    /// The command itself.
    pub(crate) fn line(&self) -> String {
        self.command.to_string()
    }

    /// The command as it appears in messages.
    pub(crate) fn describe(&self) -> String {
        format!("`{}`", self.command)
    }

    /// Run it to its end, with this pipe for all that it prints, or none of that kept. Everything that it has
    /// started ends with it, also when this future is dropped.
    pub(super) async fn status(&self, output: Option<PipeWriter>) -> std::io::Result<ExitStatus> {
        let (out, err) = match output {
            Some(output) => (output.try_clone()?.into(), output.into()),
            None => (Stdio::null(), Stdio::null()),
        };
        let mut command = Command::new(&self.program);
        command
            .arg("beside")
            .arg(&self.runtime)
            .arg(self.shell.as_path())
            .arg(self.command.as_path())
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (&name.0, &value.0)))
            .current_dir(&self.cwd.0)
            .stdin(if self.input.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(out)
            .stderr(err)
            .process_group(0);
        // The command ends with the supervisor: an adopter asks again.
        sys::signal_with_parent(command.as_std_mut(), Signal::SIGHUP);
        let mut child = command.spawn()?;
        // It holds the pipe.
        drop(command);
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
            let _ = stdin.write_all(&self.input).await;
        }
        let status = ended.await.map_err(std::io::Error::other)?;
        drop(wanted);
        status
    }
}
