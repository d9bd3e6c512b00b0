//! Commands that tmo runs beside the processes: checks, hooks, stop commands. All that one has
//! started ends with it.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::core::Engine;
use super::watchers;
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::text::OsText;
use crate::plan::{process_env, run_env};
use crate::sys::{self, Group};

/// A command of a process, run beside it.
#[derive(Debug, Clone)]
pub(super) struct Run {
    shell: OsText,
    command: OsText,
    cwd: OsText,
    env: Vec<(OsText, OsText)>,
}

impl Engine {
    /// A command in the directory and the environment of a process.
    pub(super) fn run_beside(&self, process: &ProcessPlan, command: &OsText) -> Run {
        Run {
            shell: process.shell.clone(),
            command: command.clone(),
            cwd: process.cwd.clone().unwrap_or_else(|| self.plan.root.clone()),
            env: process_env(&self.plan, process),
        }
    }
}

impl Run {
    /// A command in the root and the environment of a run.
    pub(super) fn new(plan: &Plan, command: &OsText) -> Self {
        let (shell, cwd) = ("/bin/sh".into(), plan.root.clone());
        Self { shell, command: command.clone(), cwd, env: run_env(plan) }
    }

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
        format!("`{}`", self.command.as_path().display())
    }

    /// Run it to its end. All that it has started ends with it, or when this is given up.
    async fn status(&self) -> std::io::Result<std::process::ExitStatus> {
        self.feed(&[]).await
    }

    /// The same with something on its standard input.
    pub(super) async fn feed(&self, input: &[u8]) -> std::io::Result<std::process::ExitStatus> {
        let mut command = Command::new(self.shell.as_path());
        command
            .arg("-c")
            .arg(self.command.as_path())
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (&name.0, &value.0)))
            .current_dir(&self.cwd.0)
            .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        // Who takes over asks anew.
        sys::end_with_parent(command.as_std_mut());
        let mut child = command.spawn()?;
        let mut group = Group::of(child.id());
        if let Some(mut stdin) = child.stdin.take() {
            // Who does not read it does not want it.
            let _ = stdin.write_all(input).await;
        }
        // Until it is reaped its number is that of its group and of nobody else.
        if let Some(pid) = child.id()
            && let Some(start_time) = sys::start_time(pid)
            && watchers::gone(pid, start_time).await.is_ok()
        {
            drop(group);
            return child.wait().await;
        }
        let status = child.wait().await;
        group.is_over();
        status
    }
}
