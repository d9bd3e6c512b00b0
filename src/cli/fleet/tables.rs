//! `tmo fleet`, `tmo fleet ps`, `top` and `ls`: one table for all hosts.

use serde::Serialize;
use serde_json::Value;

use super::answers::{Summary, some_of};
use super::{Fleet, Order};
use crate::cli::error::CliError;
use crate::cli::look::{ls, ps, top};
use crate::cli::output;
use crate::cli::output::table::{RED, TableRow, painted, table, terminal_width};
use crate::cli::reach::log::Source;
use crate::fleet::call::{Call, ClockOffset};
use crate::fleet::call_error::CallError;
use crate::fleet::caller::CallAnswer;
use crate::fleet::host::Host;
use crate::fleet::inventory::FILE;
use crate::fleet::names::Target;
use crate::model::text::untrusted::cleaned_json;
use crate::view::paint::Stamp;

const HOSTS: [&str; 8] = ["HOST", "REACHED BY", "TMO", "CLOCK", "LOAD", "MEMORY", "RUNS", "NOTE"];

/// A clock this far from ours gets a note, in nanoseconds.
const FAR_CLOCK: i64 = 500_000_000;

/// Print the table, or all answers as JSON.
pub(super) async fn rows(order: Order<'_, '_>) -> Result<(), CliError> {
    let Order { fleet, command, targets, summary } = order;
    let table = match command.verb {
        "top" => top::fleet_table(),
        "ls" => ls::fleet_table(),
        _ => {
            let by = command.argv.has("--by=phase").then_some(ps::Order::Phase);
            ps::fleet_table(command.argv.has("--wide"), by)
        }
    };
    // JSON has all that `--wide` shows, and of figures that are followed only the first are shown.
    let mut argv = command.argv.and("--json").with(&[]);
    argv.retain(|word| word != "--wide" && !word.starts_with("--count="));
    argv.extend((command.verb == "top").then(|| "--count=1".to_owned()));
    let mut rows: Vec<TableRow> = vec![];
    let call = |target: &Target<'_>| Call::new(target.host, &argv);
    fleet
        .each(targets, call, |target, answer| {
            summary.add(target, &answer);
            let name = &target.host.name;
            let (status, note) = match answer {
                Err(error) if error.is_interrupt() => ("-", error.to_string()),
                Err(error) if error.lacks_tmo() => ("no tmo", error.to_string()),
                Err(error) => ("unreachable", error.to_string()),
                Ok(answer) if answer.code != 0 => ("-", summary.complaint(target.host, &answer)),
                Ok(answer) => {
                    if let Ok(there) = (table.rows_of)(name, &answer.output) {
                        rows.extend(there);
                        return Ok(());
                    }
                    summary.failed += 1;
                    ("-", "its answer is not understood".to_owned())
                }
            };
            let mut cells = vec!["-".to_owned(); table.heads.len()];
            name.clone_into(&mut cells[0]);
            status.clone_into(&mut cells[table.state]);
            cells.pop();
            cells.push(note);
            rows.push(TableRow { cells, color: RED });
            Ok(())
        })
        .await?;
    if fleet.args.json {
        return Ok(());
    }
    let color = Source::style(fleet.env, Stamp::None).mode.color();
    let text = painted(&table.heads, &rows, color.then_some(table.state), terminal_width());
    output::print_painted(&text).map(drop)
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

/// List the hosts.
pub(super) async fn hosts(
    fleet: &Fleet<'_>,
    targets: &[Target<'_>],
    summary: &mut Summary<'_>,
) -> Result<(), CliError> {
    let mut rows = vec![];
    let mut silent = vec![];
    let discovers = fleet.args.discover;
    let ls = |target: &Target<'_>| Call::new(target.host, &["ls", "--json"]).with_clock();
    fleet
        .each(targets, ls, |target, answer| {
            if !discovers {
                summary.add(target, &answer);
            }
            match answer {
                Err(error) if discovers && !error.lacks_tmo() => {
                    silent.push(target.host.name.clone());
                }
                answer => rows.push(HostRow::new(target.host, &answer, summary)),
            }
            Ok(())
        })
        .await?;
    if fleet.args.json {
        output::print_json(&rows)?;
    } else {
        output::print(&table(HOSTS, rows.iter().map(HostRow::cells)))?;
    }
    if !silent.is_empty() {
        let file = fleet.inventory.path.display();
        let count = silent.len();
        let names = some_of(silent.iter());
        output::warn(&format!("{count} more in {file} do not answer without questions: {names}"));
    }
    if let Some(first) = rows.first().filter(|_| discovers) {
        output::warn(&format!(
            "in a {FILE}, each of them begins with a line such as `[host.{}]` (`tmo help fleet.toml`)",
            first.host
        ));
    }
    Ok(())
}

impl HostRow {
    fn new(host: &Host, answer: &Result<CallAnswer, CallError>, summary: &Summary<'_>) -> Self {
        let there = answer.as_ref().ok();
        let memory = there.and_then(|there| there.hello.memory);
        Self {
            host: host.name.clone(),
            reached_by: host.reached_by(),
            ok: there.is_some_and(|there| there.code == 0),
            tmo: there.map(|there| there.hello.version.clone()),
            clock: there.map(|there| there.clock),
            load: there.and_then(|there| there.hello.load),
            memory: memory.map(|(used, total)| HostMemory { used, total }),
            groups: host.groups.clone(),
            runs: there
                .and_then(|there| serde_json::from_slice(&there.output).ok())
                .map(cleaned_json),
            shown_runs: there.map(|there| ls::runs_of_host(&there.output)).unwrap_or_default(),
            error: match answer {
                Ok(there) => (there.code != 0).then(|| summary.complaint(host, there)),
                Err(error) => Some(error.to_string()),
            },
        }
    }

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

/// The difference of a clock in seconds, or `ok` if it is within the error of the measurement.
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
