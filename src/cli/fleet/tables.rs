//! `tmo fleet ps`, `top` and `ls`: one table for all hosts.

use super::Fleet;
use super::answers::{Summary, no_answer_status};
use crate::cli::args::FleetCommand;
use crate::cli::error::CliError;
use crate::cli::look::{ls, ps, top};
use crate::cli::output;
use crate::cli::output::table::{PaintedRow, painted, terminal_width};
use crate::cli::reach::log::Source;
use crate::fleet::call::Call;
use crate::fleet::names::Target;
use crate::view::paint::Stamp;

/// Makes rows of the answer of a host: its name, the answer, the columns.
type ReadRows = fn(&str, &[u8], &[&str]) -> serde_json::Result<Vec<PaintedRow>>;

const PS: [&str; 10] =
    ["HOST", "PROCESS", "PID", "STATUS", "EXIT", "RESTARTS", "PORT", "CPU", "MEMORY", "NOTE"];
const TOP: [&str; 9] =
    ["HOST", "PROCESS", "PID", "CPU%", "MEMORY", "PROCS", "THREADS", "FILES", "OUTPUT"];
const LS: [&str; 8] = ["HOST", "TITLE", "STATE", "PROCESSES", "SINCE", "ADDRESS", "ROOT", "SOCKET"];

const RED: Option<&str> = Some("\x1b[31m");

/// Print the table, or all answers as JSON.
pub(super) async fn table(fleet: &Fleet<'_>, command: &FleetCommand) -> Result<u8, CliError> {
    // `state` is the column with the state, which has colours.
    let (mut heads, state, read): (_, _, ReadRows) = match command.verb {
        "top" => (TOP.to_vec(), 1, |host, answer, _| top::rows_of_host(host, answer)),
        "ls" => (LS.to_vec(), 2, |host, answer, _| ls::rows_of_host(host, answer)),
        _ => (PS.to_vec(), 3, ps::rows_of_host),
    };
    // JSON has all that `--wide` shows, and of figures that are followed only the first are shown.
    let mut argv = command.argv.and("--json").with(&[]);
    argv.retain(|word| word != "--wide" && !word.starts_with("--count="));
    argv.extend((command.verb == "top").then(|| "--count=1".to_owned()));
    // The last column is the note.
    for (flag, head) in [("--by=phase", "PHASE"), ("--wide", "SINCE")] {
        if command.argv.has(flag) {
            heads.insert(heads.len() - 1, head);
        }
    }
    let mut rows: Vec<PaintedRow> = vec![];
    let mut summary = Summary::new(fleet, fleet.args.json);
    let lost = |host: &str, status: &str, note: String| -> PaintedRow {
        let mut cells = vec!["-".to_owned(); heads.len()];
        host.clone_into(&mut cells[0]);
        status.clone_into(&mut cells[state]);
        if let Some(last) = cells.last_mut() {
            *last = note;
        }
        (cells, RED)
    };
    let hosts = fleet.hosts(&command.words)?;
    let call = |target: &Target<'_>| Call::of(target.host, &argv);
    fleet
        .each(&hosts, call, |target, answer| {
            summary.add(target, &answer);
            let name = &target.host.name;
            let own = match answer {
                Err(error) => Err((no_answer_status(&error), error.to_string())),
                Ok(answer) if answer.code != 0 => {
                    Err(("-", summary.complaint(target.host, &answer)))
                }
                Ok(answer) => read(name, &answer.output, &heads).map_err(|_| {
                    summary.failed += 1;
                    ("-", "its answer is not understood".to_owned())
                }),
            };
            match own {
                Ok(own) => rows.extend(own),
                Err((status, note)) => rows.push(lost(name, status, note)),
            }
            Ok(())
        })
        .await?;
    if !fleet.args.json {
        let color = Source::style(&fleet.env, Stamp::None).mode.color();
        let cells: Vec<_> = rows.iter().map(|(cells, _)| &cells[..]).collect();
        let paint =
            |row: usize, column: usize| (color && column == state).then(|| rows[row].1).flatten();
        output::print_painted(&painted(&heads, &cells, paint, terminal_width()))?;
    }
    summary.finish(Some(command))
}
