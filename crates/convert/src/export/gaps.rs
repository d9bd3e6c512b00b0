//! What a format can't express: one table, from which the comments in the files, the list for the user and the
//! documentation come.

use std::collections::HashSet;

use super::format::ExportFormat::{
    self, Compose, Kubernetes, Launchd, Runit, Supervisord, Systemd, Tmux, Upstart,
};
use super::project::{ExportOptions, ExportedProcess, ExportedProject, ProcessKind};
use crate::model::plan::rules::{Backoff, DependencyCondition, Probe, Restart};

/// A setting of a process that a format can't express.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Gap {
    pub process: String,
    /// The key in `tmo.toml`.
    pub key: &'static str,
    /// What becomes of it, and the nearest way.
    pub why: &'static str,
}

impl Gap {
    /// As a comment in a file.
    pub(super) fn comment(&self) -> String {
        format!("not exported: {}: {}", self.key, self.why)
    }
}

/// A row of the table.
struct GapRow {
    key: &'static str,
    /// The formats that can't express it.
    formats: &'static [ExportFormat],
    why: &'static str,
    has: fn(&ExportedProcess) -> bool,
}

const ALL: &[ExportFormat] = &ExportFormat::ALL;
const NOT_SYSTEMD: &[ExportFormat] =
    &[Compose, Kubernetes, Tmux, Supervisord, Runit, Launchd, Upstart];
const PLAIN: &[ExportFormat] = &[Supervisord, Runit, Launchd, Upstart];

const fn row(
    key: &'static str,
    formats: &'static [ExportFormat],
    why: &'static str,
    has: fn(&ExportedProcess) -> bool,
) -> GapRow {
    GapRow { key, formats, why, has }
}

/// The table.
const ROWS: [GapRow; 31] = [
    row(
        "env (names with more than letters, digits, _)",
        &[Systemd, Supervisord],
        "such variables are ignored",
        |process| process.env.iter().any(|variable| !is_identifier(&variable.name)),
    ),
    row("depends_on", PLAIN, "everything starts at once; the process must retry", |process| {
        !process.needs.is_empty()
    }),
    row(
        "depends_on … until completed",
        &[Kubernetes],
        "a Pod can't wait for a Job; the process must retry",
        |process| process.needs.iter().any(|need| need.until == DependencyCondition::Completed),
    ),
    row(
        "depends_on … on what has no port",
        &[Kubernetes],
        "a Pod waits only for ports; the process must retry",
        |process| {
            process.needs.iter().any(|need| {
                need.served_port.is_none() && need.until != DependencyCondition::Completed
            })
        },
    ),
    row("ready", &[Supervisord, Launchd, Upstart], "no such check", |process| {
        !process.ready.is_empty()
    }),
    row("ready = { delay }", &[Compose, Kubernetes], "a check can't wait", |process| {
        process.ready.iter().any(super::formats::checks::is_delay)
    }),
    row(
        "ready = { log }",
        ALL,
        "nothing reads the output; a port, http or exec check would do",
        |process| process.rules.ready.iter().any(|check| matches!(check.probe, Probe::Log(_))),
    ),
    row("ready = { notify }", NOT_SYSTEMD, "nothing takes its report", |process| {
        process.rules.is_notified()
    }),
    row("live = { watchdog }", NOT_SYSTEMD, "nothing takes its reports", |process| {
        process.rules.watchdog_ms().is_some()
    }),
    row(
        "live",
        &[Systemd, Tmux, Supervisord, Runit, Launchd, Upstart],
        "no such check",
        |process| process.live.is_some(),
    ),
    row("live", &[Compose], "a container that is unhealthy is not restarted", |process| {
        process.live.is_some()
    }),
    row("restart", &[Tmux], "nothing restarts it", |process| {
        process.kind == ProcessKind::Service && process.restart.max_failures > 0
            || process.restart.when == Restart::Always
    }),
    row("restart.policy = \"no\"", &[Kubernetes], "it is always restarted", |process| {
        process.kind == ProcessKind::Service && process.restart.when == Restart::No
    }),
    row(
        "restart.max_failures",
        &[Kubernetes, Supervisord, Runit, Launchd],
        "it is restarted without end",
        |process| process.restart.max_failures > 0 && process.kind == ProcessKind::Service,
    ),
    row("restart.backoff", ALL, "the pause between restarts is that of the target", |process| {
        process.rules.restart.as_ref().is_some_and(|policy| policy.backoff == Backoff::Exponential)
    }),
    row(
        "success_exit_codes",
        &[Compose, Kubernetes, Tmux, Launchd],
        "only 0 is a success",
        |process| !process.rules.success_codes.is_empty(),
    ),
    row("soft_exit_codes", ALL, "every failure counts", |process| {
        !process.rules.soft_codes.is_empty()
    }),
    row(
        "stop.command",
        &[Compose, Tmux, Supervisord, Launchd, Upstart],
        "only a signal stops it",
        |process| process.stop_command.is_some(),
    ),
    row("stop.signal", &[Launchd], "TERM stops it", has_signal),
    row(
        "stop.signal",
        &[Kubernetes],
        "TERM, or what STOPSIGNAL in the Dockerfile says",
        |process| process.stop_signal != "TERM",
    ),
    row("stop.signal", &[Tmux], "HUP stops it, when its window is closed", has_signal),
    row("stop.timeout", &[Runit], "it is not killed if it does not stop", |process| {
        process.stop_timeout_ms != 5000
    }),
    row(
        "phase = \"cleanup\"",
        &[Compose, Kubernetes, Tmux, Supervisord, Runit, Launchd, Upstart],
        "left out: nothing runs it at the end",
        |process| process.kind == ProcessKind::Cleanup,
    ),
    row(
        "on_exit = \"stop-all\"",
        ALL,
        "the end of a process does not stop the others",
        |process| process.stops_all,
    ),
    row("failure", ALL, "nothing reads the output", |process| !process.rules.failures.is_empty()),
    row("flag", ALL, "nothing reads the output", |process| !process.rules.flags.is_empty()),
    row("hooks", ALL, "no commands run on events of the run", |process| process.has_hooks),
    row("notify", ALL, "no desktop notifications", |process| process.rules.notify),
    row("groups", ALL, "processes are named one by one", |process| {
        !process.rules.groups.is_empty()
    }),
    row("split_stderr", ALL, "standard error goes where the output goes", |process| {
        process.rules.split_stderr
    }),
    row("install", ALL, "install the app by hand, on the target", |process| {
        process.install.is_some()
    }),
];

/// Whether every shell can set a variable of this name.
pub(super) fn is_identifier(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether another signal is to stop it than a usual one: tmo's default is INT, that of other supervisors TERM.
fn has_signal(process: &ExportedProcess) -> bool {
    !["INT", "TERM"].contains(&process.stop_signal.as_str())
}

/// What a format can't express of a process. Under tmo, in a container of its own, a process has everything but the
/// order among containers.
pub(super) fn gaps_of<'a>(
    format: ExportFormat,
    options: &ExportOptions,
    process: &'a ExportedProcess,
) -> impl Iterator<Item = Gap> + use<'a> {
    let with_tmo = options.with_tmo;
    let rows = ROWS.iter().filter(move |row| {
        let is_order = row.key.starts_with("depends_on") || row.key.starts_with("on_exit");
        row.formats.contains(&format) && (row.has)(process) && (!with_tmo || is_order)
    });
    rows.map(|row| Gap { process: process.name.clone(), key: row.key, why: row.why })
}

/// Comments on the processes that a format leaves out because nothing there runs at the end.
pub(super) fn of_cleanups<'a>(
    format: ExportFormat,
    project: &'a ExportedProject,
    options: &'a ExportOptions,
) -> impl Iterator<Item = String> + 'a {
    let cleanups = project.entries().filter(|process| process.kind == ProcessKind::Cleanup);
    cleanups.flat_map(move |process| {
        let gaps = gaps_of(format, options, process);
        gaps.map(|gap| format!("{}: {}", process.name, gap.comment()))
    })
}

/// The table for the documentation: the keys, and for each format whether it can express them.
pub fn gap_table() -> impl Iterator<Item = (&'static str, [bool; ExportFormat::ALL.len()])> {
    let mut keys: Vec<&str> = ROWS.iter().map(|row| row.key).collect();
    let mut seen = HashSet::new();
    keys.retain(|key| seen.insert(*key));
    keys.into_iter().map(|key| {
        // What holds for `depends_on` holds for each kind of it.
        let is_part = |row: &GapRow| key.split(' ').next() == Some(row.key);
        let lacks = |format: &ExportFormat| {
            ROWS.iter().any(|row| (row.key == key || is_part(row)) && row.formats.contains(format))
        };
        (key, ExportFormat::ALL.map(|format| !lacks(&format)))
    })
}
