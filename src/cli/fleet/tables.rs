//! `tmo fleet ps`, `top` and `ls`: one table for all hosts.

use super::Fleet;
use super::answers::{Summary, complaint};
use crate::cli::args::FleetCommand;
use crate::cli::error::CliError;
use crate::cli::look::{ls, ps, top};
use crate::cli::output;
use crate::cli::output::table::{PaintedRow, painted, terminal_width};
use crate::cli::reach::log::Source;
use crate::fleet::call::Call;
use crate::view::paint::Stamp;

/// How the answers of a verb become rows: its columns, the one with the state, which has colours, and the rows of a
/// host.
struct Rows {
    heads: &'static [&'static str],
    state: usize,
    read: ReadRows,
}

/// Host, answer, columns.
type ReadRows = fn(&str, &[u8], &[&str]) -> serde_json::Result<Vec<PaintedRow>>;

const PS: Rows = Rows {
    heads: &[
        "HOST", "PROCESS", "PID", "STATUS", "EXIT", "RESTARTS", "PORT", "CPU", "MEMORY", "NOTE",
    ],
    state: 3,
    read: ps::rows_of_host,
};
const TOP: Rows = Rows {
    heads: &["HOST", "PROCESS", "PID", "CPU%", "MEMORY", "PROCS", "THREADS", "FILES", "OUTPUT"],
    state: 1,
    read: |host, answer, _| top::rows_of_host(host, answer),
};
const LS: Rows = Rows {
    heads: &["HOST", "TITLE", "STATE", "PROCESSES", "SINCE", "PORT", "ROOT", "SOCKET"],
    state: 2,
    read: |host, answer, _| ls::rows_of_host(host, answer),
};

const RED: Option<&str> = Some("\x1b[31m");

/// Print the table, or all answers as JSON.
pub(super) async fn table(fleet: &Fleet<'_>, command: &FleetCommand) -> Result<u8, CliError> {
    let rows_of = match command.verb {
        "top" => &TOP,
        "ls" => &LS,
        _ => &PS,
    };
    // JSON has all that `--wide` shows, and of figures that are followed only the first are shown.
    let mut argv = command.argv.and("--json").with(&[]);
    argv.retain(|word| word != "--wide" && !word.starts_with("--count="));
    argv.extend((command.verb == "top").then(|| "--count=1".to_owned()));
    let mut heads = rows_of.heads.to_vec();
    // The last column is the note.
    for (flag, head) in [("--by=phase", "PHASE"), ("--wide", "SINCE")] {
        if command.argv.has(flag) {
            heads.insert(heads.len() - 1, head);
        }
    }
    let mut rows: Vec<PaintedRow> = vec![];
    let mut summary = Summary::new(fleet.args.json);
    let lost = |host: &str, status: &str, note: String| -> PaintedRow {
        let mut cells = vec!["-".to_owned(); heads.len()];
        host.clone_into(&mut cells[0]);
        status.clone_into(&mut cells[rows_of.state]);
        if let Some(last) = cells.last_mut() {
            *last = note;
        }
        (cells, RED)
    };
    let hosts = fleet.hosts(&command.words)?;
    fleet
        .each(
            &hosts,
            |target| Call::of(target.host, &argv),
            |target, answer| {
                summary.add(target.host, &answer);
                let name = &target.host.name;
                match answer {
                    Err(error) => rows.push(lost(name, "unreachable", error.to_string())),
                    Ok(answer) if answer.code != 0 => {
                        rows.push(lost(name, "-", complaint(target.host, &answer)));
                    }
                    Ok(answer) => match (rows_of.read)(name, &answer.output, &heads) {
                        Ok(own) => rows.extend(own),
                        Err(_) => {
                            summary.failed += 1;
                            rows.push(lost(name, "-", "its answer is not understood".to_owned()));
                        }
                    },
                }
                Ok(())
            },
        )
        .await?;
    if !fleet.args.json {
        let color = Source::style(&fleet.env, Stamp::None).mode.color();
        let cells: Vec<_> = rows.iter().map(|(cells, _)| &cells[..]).collect();
        let paint = |row: usize, column: usize| {
            (color && column == rows_of.state).then(|| rows[row].1).flatten()
        };
        output::print_painted(&painted(&heads, &cells, paint, terminal_width()))?;
    }
    summary.finish(command.verb)
}
