//! `tmo fleet`: the hosts.

use serde::Serialize;
use serde_json::Value;

use super::Fleet;
use super::answers::{Summary, some_of};
use crate::cli::error::CliError;
use crate::cli::look::ls;
use crate::cli::output;
use crate::cli::output::table::table;
use crate::fleet::call::{Call, ClockOffset};
use crate::fleet::call_error::CallError;
use crate::fleet::inventory::FILE;
use crate::fleet::names::Target;
use crate::model::untrusted::cleaned_json;

/// A clock this far from ours gets a note, in nanoseconds.
const FAR_CLOCK: i64 = 500_000_000;

/// What `--json` prints for each host.
#[derive(Debug, Default, Serialize)]
struct HostRow {
    host: String,
    reached_by: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tmo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<ClockOffset>,
    #[serde(skip_serializing_if = "Option::is_none")]
    load: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<HostMemory>,
    groups: Vec<String>,
    /// What `tmo ls --json` prints there.
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<Value>,
    /// The same for people.
    #[serde(skip)]
    shown_runs: String,
}

/// The memory of a host in bytes.
#[derive(Debug, Clone, Copy, Serialize)]
struct HostMemory {
    used: u64,
    total: u64,
}

const HEADS: [&str; 8] = ["HOST", "REACHED BY", "TMO", "CLOCK", "LOAD", "MEMORY", "RUNS", "NOTE"];

/// List them.
pub(super) async fn hosts(fleet: &Fleet<'_>) -> Result<u8, CliError> {
    let mut all = vec![];
    let mut summary = Summary::new(fleet, false);
    let mut silent = vec![];
    let hosts = fleet.hosts(&[])?;
    let ls = |target: &Target<'_>| Call::of(target.host, &["ls", "--json"]).with_clock();
    fleet
        .each(&hosts, ls, |target, answer| {
            let host = target.host;
            let mut row = HostRow {
                host: host.name.clone(),
                reached_by: host.reached_by(),
                ok: answer.is_ok(),
                groups: host.groups.clone(),
                ..HostRow::default()
            };
            match answer {
                Ok(answer) => {
                    summary.answered(answer.code);
                    let hello = answer.hello.clone();
                    row.tmo = Some(hello.version);
                    (row.clock, row.load) = (Some(answer.clock), hello.load);
                    row.memory = hello.memory.map(|(used, total)| HostMemory { used, total });
                    if answer.code != 0 {
                        row.ok = false;
                        row.error = Some(summary.complaint(host, &answer));
                    }
                    row.shown_runs = ls::runs_of_host(&answer.output);
                    row.runs = serde_json::from_slice(&answer.output).ok().map(cleaned_json);
                }
                Err(error) => {
                    let has_answered = matches!(error, CallError::NoTmo(_) | CallError::OldTmo);
                    if fleet.args.discover && !has_answered {
                        silent.push(host.name.clone());
                        return Ok(());
                    }
                    summary.unanswered(target, Some(&error));
                    row.error = Some(error.to_string());
                }
            }
            all.push(row);
            Ok(())
        })
        .await?;
    if fleet.args.json {
        output::print_json(&all)?;
    } else {
        output::print(&table(HEADS, all.iter().map(HostRow::cells)))?;
    }
    if !fleet.args.discover {
        return summary.finish(None);
    }
    let file = fleet.inventory.path.display();
    if !silent.is_empty() {
        let (count, names) = (silent.len(), some_of(silent.iter()));
        output::warn(&format!("{count} more in {file} do not answer without questions: {names}"));
    }
    if let Some(first) = all.first() {
        output::warn(&format!(
            "in a {FILE}, each of them begins with a line such as `[host.{}]` (`tmo help fleet.toml`)",
            first.host
        ));
    }
    Ok(0)
}

impl HostRow {
    fn cells(&self) -> [String; 8] {
        let none = || "-".to_owned();
        let odd = if self.clock.is_some_and(is_far_off) { "its clock is off" } else { "" };
        let memory =
            |HostMemory { used, total }| format!("{}/{}G", gibibytes(used), gibibytes(total));
        [
            self.host.clone(),
            self.reached_by.clone(),
            self.tmo.clone().unwrap_or_else(none),
            self.clock.map_or_else(none, clock),
            self.load.map_or_else(none, |load| format!("{load:.2}")),
            self.memory.map_or_else(none, memory),
            if self.shown_runs.is_empty() { none() } else { self.shown_runs.clone() },
            self.error.clone().unwrap_or_else(|| odd.to_owned()),
        ]
    }
}

/// Whether a clock is so far from ours that users get a note.
pub(super) const fn is_far_off(clock: ClockOffset) -> bool {
    clock.ahead.saturating_abs() > FAR_CLOCK.saturating_add(clock.within)
}

/// The difference of a clock in seconds, or that it is too small to be told.
pub(super) fn clock(offset: ClockOffset) -> String {
    let sign = if offset.ahead < 0 { '-' } else { '+' };
    let millis = offset.ahead.unsigned_abs() / 1_000_000;
    if offset.ahead.unsigned_abs() <= offset.within.unsigned_abs() {
        return "ok".to_owned();
    }
    format!("{sign}{}.{:03} s", millis / 1000, millis % 1000)
}

/// With one digit behind the point.
fn gibibytes(bytes: u64) -> String {
    let tenths = bytes / ((1 << 30) / 10);
    format!("{}.{}", tenths / 10, tenths % 10)
}
