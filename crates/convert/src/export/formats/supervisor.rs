//! A unit that runs tmo itself, with the whole project below it.

use std::fmt::Write as _;

use super::systemd::{self, HOME, command, escaped, line, quoted};
use super::{init_systems, plain};
use crate::export::Exported;
use crate::export::files::{ExportedFile, MARK_HERE};
use crate::export::format::{ExportError, ExportFormat};
use crate::export::project::{ExportedProcess, ExportedProject, ExportedRestart};
use crate::model::plan::rules::Restart;
use crate::model::units::written_span;

/// How much longer than its processes a run may take to stop.
const RUN_ITSELF_MS: u64 = 10_000;

/// A service whose process is `tmo start`.
#[derive(Debug, Clone, Default)]
pub struct SupervisorUnit {
    /// The name of the application, and of the unit.
    pub app: String,
    /// The tmo program, absolute.
    pub tmo: String,
    /// The directory of the project.
    pub root: String,
    /// The flags that select the run, for `start` and for other commands.
    pub flags: Vec<String>,
    /// The caller's PATH.
    pub path: String,
    /// The user that it runs as; `None`: the manager's.
    pub user: Option<String>,
    /// It is for the manager of a user.
    pub user_units: bool,
    /// Stopping the unit leaves the processes, and its next start takes the run over.
    pub keep: bool,
    /// How long the slowest process may take to stop, in milliseconds.
    pub stop_timeout_ms: u64,
}

impl SupervisorUnit {
    /// An agent of launchd, which starts it when its user logs in; its log goes to this directory.
    pub fn launch_agent(&self, log: String) -> Result<ExportedFile, ExportError> {
        let words = [self.tmo.clone(), "start".to_owned()].into_iter().chain(self.flags.clone());
        let process = ExportedProcess {
            unit: self.app.clone(),
            argv: words.collect(),
            cwd: self.root.clone(),
            begins: true,
            restart: ExportedRestart {
                when: Restart::OnFailure,
                delay_ms: 1000,
                ..Default::default()
            },
            stop_timeout_ms: self.stop_timeout_ms + RUN_ITSELF_MS,
            ..Default::default()
        };
        let project = ExportedProject {
            app: self.app.clone(),
            root: self.root.clone(),
            log,
            path: self.path.clone(),
            processes: vec![process],
            ..Default::default()
        };
        plain::check(ExportFormat::Launchd, &project)?;
        let files = init_systems::launchd(&project);
        let mut file = files.into_iter().next().ok_or(ExportError::Empty)?;
        file.sign(ExportFormat::Launchd);
        Ok(file)
    }

    /// Its file.
    pub fn export(&self) -> Result<Exported, ExportError> {
        let file = self.write()?;
        let next = systemd::next(&file.name, &file.name, self.user_units);
        Ok(Exported { files: vec![file], gaps: vec![], remarks: vec![], next })
    }

    /// The unit's file.
    pub fn write(&self) -> Result<ExportedFile, ExportError> {
        let Self { app, root, user, path, .. } = self.clone();
        let shared = ExportedProject { app, root, user, path, ..Default::default() };
        plain::check(ExportFormat::Systemd, &shared)?;
        let tmo = |verb: &[&str]| {
            let words = std::iter::once(self.tmo.as_str()).chain(verb.iter().copied());
            command(&words.map(str::to_owned).chain(self.flags.clone()).collect::<Vec<_>>())
        };
        let mut text = format!("# {MARK_HERE}\n[Unit]\n");
        line(&mut text, "Description", &escaped(&format!("{}, run by tmo", self.app)));
        if !self.user_units {
            line(&mut text, "After", "network.target");
        }
        text.push_str("\n[Service]\nType=exec\n");
        if let Some(user) = &self.user {
            line(&mut text, "User", &escaped(user));
        }
        if self.user.is_none() && !self.user_units {
            text.push_str(HOME);
        }
        line(&mut text, "WorkingDirectory", &escaped(&self.root));
        line(&mut text, "Environment", &quoted(&escaped(&format!("PATH={}", self.path))));
        // A run that this unit has left running is taken over.
        line(&mut text, "ExecStart", &tmo(&["start"]));
        if self.keep {
            text.push_str("# The end of its terminal ends the view, not the run.\n");
            text.push_str("KillMode=process\nKillSignal=SIGHUP\nSuccessExitStatus=SIGHUP 129\n");
        } else {
            // It runs after a natural end as well, when nothing is left to quit.
            line(&mut text, "ExecStop", &format!("-{}", tmo(&["quit"])));
            text.push_str("KillMode=mixed\n");
        }
        let limit = written_span(self.stop_timeout_ms + RUN_ITSELF_MS);
        line(&mut text, "TimeoutStopSec", &limit);
        text.push_str("# A run that is done stays done.\nRestart=on-failure\nRestartSec=1s\n");
        let wanted_by = if self.user_units { "default.target" } else { "multi-user.target" };
        let _ = write!(text, "\n[Install]\nWantedBy={wanted_by}\n");
        let mut file = ExportedFile::new(format!("{}.service", self.app), text);
        file.sign(ExportFormat::Systemd);
        Ok(file)
    }
}
