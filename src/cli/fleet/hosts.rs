//! `tmo fleet`: the hosts.

use serde::{Deserialize, Serialize};

use super::Fleet;
use super::answers::{Summary, some_of};
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::output::table::table;
use crate::fleet::call::{Call, ClockOffset};
use crate::fleet::call_error::CallError;
use crate::fleet::caller::CallAnswer;
use crate::fleet::inventory::FILE;
use crate::model::Untrusted;

/// A clock this far from ours gets a note, in nanoseconds.
const FAR_CLOCK: i64 = 500_000_000;

/// A run in the answer of `tmo ls --json`.
#[derive(Debug, Deserialize)]
struct ListedRun {
    title: Untrusted,
    state: String,
    running: usize,
    processes: usize,
}

/// What `--json` prints for each host.
#[derive(Debug, Serialize)]
struct HostRow {
    host: String,
    reached_by: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tmo: Option<String>,
    /// Nanoseconds that its clock is ahead of ours, and how exactly that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<(i64, i64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    load: Option<f64>,
    /// Bytes used, and all.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<(u64, u64)>,
    groups: Vec<String>,
}

const HEADS: [&str; 8] = ["HOST", "REACHED BY", "TMO", "CLOCK", "LOAD", "MEMORY", "RUNS", "NOTE"];

/// List them.
pub(super) async fn hosts(fleet: &Fleet<'_>) -> Result<u8, CliError> {
    let (mut rows, mut all) = (vec![], vec![]);
    let mut summary = Summary::default();
    let mut silent = vec![];
    let hosts = fleet.hosts(&[])?;
    fleet
        .each(
            &hosts,
            |target| Call::of(target.host, &["ls", "--json"]).with_clock(),
            |target, answer| {
                let host = target.host;
                let by = host.reached_by();
                let mut row = [&*host.name, &by, "-", "-", "-", "-", "-", ""].map(str::to_owned);
                let mut found = HostRow {
                    host: host.name.clone(),
                    reached_by: by,
                    ok: answer.is_ok(),
                    error: None,
                    tmo: None,
                    clock: None,
                    load: None,
                    memory: None,
                    groups: host.groups.clone(),
                };
                match answer {
                    Ok(answer) => {
                        summary.answered(answer.code);
                        fill(&mut row, &answer);
                        let hello = answer.hello;
                        found.tmo = Some(hello.version);
                        found.clock = Some((answer.clock.ahead, answer.clock.within));
                        (found.load, found.memory) = (hello.load, hello.memory);
                    }
                    Err(error) => {
                        if fleet.args.discover
                            && !matches!(error, CallError::NoTmo(_) | CallError::OldTmo)
                        {
                            silent.push(host.name.clone());
                            return Ok(());
                        }
                        summary.unanswered(host, Some(&error));
                        row[7] = error.to_string();
                        found.error = Some(error.to_string());
                    }
                }
                rows.push(row);
                all.push(found);
                Ok(())
            },
        )
        .await?;
    if fleet.args.json {
        output::print_json(&all)?;
    } else {
        output::print(&table(HEADS, rows))?;
    }
    if !fleet.args.discover {
        return summary.finish("");
    }
    let file = fleet.inventory.path.display();
    if !silent.is_empty() {
        let (count, names) = (silent.len(), some_of(silent.iter()));
        output::warn(&format!("{count} more in {file} do not answer without questions: {names}"));
    }
    if let Some(first) = all.first() {
        output::warn(&format!(
            "in a {FILE}, each of them begins with a line such as `[host.{}]` (`tmo help fleet`)",
            first.host
        ));
    }
    Ok(0)
}

fn fill(row: &mut [String; 8], answer: &CallAnswer) {
    let hello = &answer.hello;
    row[2].clone_from(&hello.version);
    row[3] = clock(answer.clock);
    if let Some(load) = hello.load {
        row[4] = format!("{load:.2}");
    }
    if let Some((used, all)) = hello.memory {
        row[5] = format!("{}/{}G", gibibytes(used), gibibytes(all));
    }
    let runs: Vec<ListedRun> = serde_json::from_slice(&answer.output).unwrap_or_default();
    let here = runs.iter().filter(|run| run.state != "elsewhere");
    let here = here.map(|run| format!("{} {}/{}", run.title, run.running, run.processes));
    let here: Vec<_> = here.collect();
    if !here.is_empty() {
        row[6] = here.join(", ");
    }
    if is_far_off(answer.clock) {
        "its clock is off".clone_into(&mut row[7]);
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
