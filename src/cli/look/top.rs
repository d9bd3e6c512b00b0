//! `tmo top`: what the processes use, again and again.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::process_table::color_of;
use crate::cli::args::ClientArgs;
use crate::cli::error::CliError;
use crate::cli::output::Versioned;
use crate::cli::output::stdout::goes_on;
use crate::cli::output::table::{FleetTable, TableRow, painted};
use crate::cli::reach::instance::{Instance, tmo_only};
use crate::cli::reach::log::Source;
use crate::cli::runtime;
use crate::cli::view::while_wanted;
use crate::figures::{Figures, Sample, Sampler};
use crate::model::state::State;
use crate::model::text::untrusted::shown_painted;
use crate::model::units;
use crate::view::paint::Stamp;
use crate::view::screen;

/// Show what the processes use: CPU, memory, threads, open files, output.
#[derive(clap::Args)]
#[command(after_help = "\
One row per process, with everything that it has started; a new sample each second, until Ctrl-C or
the end of the run. CPU% is of one processor. MEMORY is the share (PSS) where the system provides it.

Examples:
  tmo top
  tmo top -n 1 --json | jq '.processes[] | {name, memory_bytes}'")]
pub(in crate::cli) struct TopArgs {
    /// Print each sample as a line of JSON.
    #[arg(long)]
    json: bool,
    /// End after this many samples.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    #[command(flatten)]
    client: ClientArgs,
}

const HEADS: [&str; 9] =
    ["PROCESS", "PID", "STATUS", "CPU%", "MEMORY", "PROCS", "THREADS", "FILES", "OUTPUT"];

/// The time between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// Show samples until a signal arrives, the run is over, or there were as many as wanted.
pub(in crate::cli) fn top(args: &TopArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    runtime::block_on(async {
        tmo_only(&mut instance).await?;
        instance.on_this_machine()?;
        while_wanted(show(args, &instance)).await
    })?;
    Ok(0)
}

async fn show(args: &TopArgs, instance: &Instance) -> Result<(), CliError> {
    let style = Source::style(&instance.context.env, Stamp::None);
    let mut sampler = Sampler::default();
    let begun = Instant::now();
    let mut rows = 0;
    let mut left = args.count;
    // Rates need an earlier sample.
    let state = instance.state().await?;
    sampler.sample(&state.processes, begun.elapsed());
    loop {
        // Samples are taken at intervals, whatever happens in between.
        tokio::time::sleep(INTERVAL).await;
        let state = match instance.state().await {
            Ok(state) => state,
            Err(CliError::NothingRuns { left: None, .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let figures = sampler.sample(&state.processes, begun.elapsed());
        let text = if args.json {
            json(&state, &figures)
        } else if let Some((_, height)) = screen::window_size(io::stdout()) {
            let text = cut(&table(&state, &figures, style.mode.color()), height);
            // Over the previous table, and with long lines cut by the terminal.
            let up = if rows > 0 { format!("\x1b[{rows}A\r\x1b[J") } else { String::new() };
            rows = text.lines().count();
            format!("{up}\x1b[?7l{text}\x1b[?7h")
        } else {
            let gap = if std::mem::replace(&mut rows, 1) > 0 { "\n" } else { "" };
            gap.to_owned() + &table(&state, &figures, style.mode.color())
        };
        let mut out = io::stdout().lock();
        if !goes_on(out.write_all(text.as_bytes()).and_then(|()| out.flush()))? {
            return Ok(());
        }
        left = left.map(|left| left - 1);
        if left == Some(0) {
            return Ok(());
        }
    }
}

fn json(state: &State, figures: &[Figures]) -> String {
    let sample = Versioned::new(Sample { run: &state.run, processes: figures });
    // Names and numbers always have a JSON form.
    serde_json::to_string(&sample).unwrap_or_default() + "\n"
}

/// One row per running process, and one for all.
fn table(state: &State, all: &[Figures], color: bool) -> String {
    let row = |figures: &Figures| {
        let mut processes = state.processes.iter();
        let process = processes.find(|process| process.name == figures.name);
        let status = process.map_or(String::new(), |process| process.state.to_string());
        let first = [figures.name.to_string(), figures.pid.to_string(), status];
        TableRow {
            cells: [&first[..], &cells(figures)].concat(),
            color: process.and_then(color_of),
        }
    };
    let mut rows: Vec<TableRow> = all.iter().map(row).collect();
    if let Some(total) = Figures::total(all).filter(|_| all.len() > 1) {
        let first = ["all", "-", "-"].map(str::to_owned);
        rows.push(TableRow { cells: [&first[..], &cells(&total)].concat(), color: None });
    }
    shown_painted(&painted(&HEADS, &rows, color.then_some(2), None))
}

/// The table of `tmo fleet top`, of what `tmo top --json` prints on each host.
pub(in crate::cli) fn fleet_table() -> FleetTable {
    #[derive(Deserialize)]
    struct TopAnswer {
        processes: Vec<Figures>,
    }
    let heads = HEADS.into_iter().filter(|head| *head != "STATUS");
    FleetTable {
        heads: ["HOST"].into_iter().chain(heads).collect(),
        state: 1,
        rows_of: Box::new(|host, answer| {
            let TopAnswer { processes } = serde_json::from_slice(answer)?;
            let row = |figures: &Figures| {
                let first = [host.to_owned(), figures.name.to_string(), figures.pid.to_string()];
                TableRow { cells: [&first[..], &cells(figures)].concat(), color: None }
            };
            Ok(processes.iter().map(row).collect())
        }),
    }
}

/// The cells after name, pid and status.
fn cells(figures: &Figures) -> [String; 6] {
    let rate = |bytes: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "for people")]
        let bytes = bytes as u64;
        short(bytes) + "/s"
    };
    [
        figures.cpu_percent.map_or("-".to_owned(), |percent| format!("{percent:.1}")),
        short(figures.memory_bytes),
        figures.processes.to_string(),
        figures.threads.to_string(),
        figures.files.map_or("-".to_owned(), |files| files.to_string()),
        figures.output_bytes_per_second.map_or("-".to_owned(), rate),
    ]
}

/// A size without blanks: `12.3MiB`.
fn short(bytes: u64) -> String {
    units::bytes(bytes).replace(" bytes", "B").replace(" byte", "B").replace(' ', "")
}

/// The rows of a table that fit into the terminal, with one row free for the cursor.
fn cut(table: &str, rows: u16) -> String {
    let rows = usize::from(rows).saturating_sub(2).max(1);
    let count = table.lines().count();
    if count <= rows {
        return table.to_owned();
    }
    let text: String = table.split_inclusive('\n').take(rows).collect();
    format!("{text}... and {} more\n", count - rows)
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_table_is_cut_to_the_terminal() {
        assert_eq!(cut("a\nb\nc\n", 24), "a\nb\nc\n");
        assert_eq!(cut("a\nb\nc\nd\n", 4), "a\nb\n... and 2 more\n");
        assert_eq!(cut("a\nb\n", 1), "a\n... and 1 more\n");
    }
}
