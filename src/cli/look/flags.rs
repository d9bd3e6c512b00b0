//! `tmo flags`: how often each flag was found in the output of processes, and where.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::crashes::strong;
use crate::cli::args::{ClientArgs, values};
use crate::cli::output::table::table;
use crate::cli::reach::instance::{self, Instance};
use crate::cli::reach::log::Source;
use crate::cli::{CliError, output, runtime};
use crate::model::ProcName;
use crate::model::ids::or_zero;
use crate::model::plan::rules::FlagColor;
use crate::model::state::{FlagMatch, FlagState, ProcessState};
use crate::model::text::untrusted::shown_line;
use crate::model::time::Timestamp;
use crate::sys::local;
use crate::view::paint::Stamp;

/// Show how often the flags of tmo.toml matched the output.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo flags                     of all processes
  tmo flags -C web              the last matching lines, with context
  tmo flags web --json          of one, for a script")]
pub(in crate::cli) struct FlagsArgs {
    /// The processes; without names, all.
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    names: Vec<String>,
    /// Show the last matching lines, with context.
    #[arg(short = 'C', long)]
    context: bool,
    /// At most this many for each flag; 50 are kept.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, requires = "context")]
    last: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// A flag of a process.
#[derive(Debug, Serialize)]
struct FlagRow {
    process: ProcName,
    #[serde(flatten)]
    flag: FlagState,
    /// Its latest matches, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    matches: Option<Vec<FlagMatch>>,
}

/// Print the flags.
pub(in crate::cli) fn flags(args: &FlagsArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let last = args.context.then_some(args.last);
    let rows = runtime::block_on(async {
        instance::tmo_only(&mut instance).await?;
        let state = instance.state().await?;
        let mut rows = vec![];
        let chosen = ProcessState::chosen(&args.names, &state.processes);
        for process in chosen.map_err(CliError::Unknown)? {
            rows.extend(rows_of(&instance, process, last).await?);
        }
        Ok::<_, CliError>(rows)
    })?;
    if args.json {
        return output::print_json(&rows);
    }
    if rows.is_empty() {
        return Err(CliError::Other("nothing is counted: tmo.toml defines no flags".to_owned()));
    }
    let color = Source::style(&instance.context.env, Stamp::None).mode.color();
    let text =
        if args.context { found(&rows, &local::zone(), color) } else { counts(&rows, color) };
    output::print_painted(&text)
}

/// The flags of one process, each with its `last` matches.
async fn rows_of(
    instance: &Instance,
    process: &ProcessState,
    last: Option<usize>,
) -> Result<Vec<FlagRow>, CliError> {
    let found = match last {
        Some(last) if !process.flags.is_empty() => {
            let name = process.name.as_str();
            Some(instance.ask(async |client| client.flags(name, last).await).await?)
        }
        Some(_) | None => None,
    };
    // The flags may have changed between the two answers.
    let of = |flag: &FlagState| {
        let found = found.as_ref()?.iter().find(|found| found.flag == flag.name);
        Some(found.map_or_else(Vec::new, |found| found.matches.clone()))
    };
    let row = |flag: &FlagState| FlagRow {
        process: process.name.clone(),
        matches: of(flag),
        flag: flag.clone(),
    };
    Ok(process.flags.iter().map(row).collect())
}

/// One line per flag, in the flag's colour; flags above their target stand out.
fn counts(rows: &[FlagRow], color: bool) -> String {
    let text = table(["PROCESS", "FLAG", "COUNT", "TARGET", "LAST"], rows.iter().map(cells));
    let mut lines = text.lines();
    let mut all = lines.next().unwrap_or_default().to_owned() + "\n";
    for (line, row) in lines.zip(rows) {
        all += &(dressed(line, &row.flag, color) + "\n");
    }
    all
}

fn cells(FlagRow { process, flag, .. }: &FlagRow) -> [String; 5] {
    let target = flag.target.map_or_else(|| "-".to_owned(), |target| target.to_string());
    let over = if flag.exceeded { " exceeded" } else { "" };
    let last = flag.last.as_ref().map(ToString::to_string).unwrap_or_default();
    [process.to_string(), flag.name.to_string(), flag.count.to_string(), target + over, last]
}

/// Each flag with its latest matching lines, marked, and their context.
fn found(rows: &[FlagRow], zone: &TimeZone, color: bool) -> String {
    let mut all = String::new();
    for row in rows {
        // Writing to a string does not fail.
        let _ = writeln!(all, "{}", heading(row, color));
        for found in row.matches.iter().flatten() {
            let _ = writeln!(all, "\n  {}", strong(&place(found, zone), color));
            let lines = found.before.iter().map(|line| (line, false));
            let lines = lines.chain([(&found.line, true)]);
            let lines = lines.chain(found.after.iter().map(|line| (line, false)));
            for (line, is_it) in lines {
                let line = shown_line(line.raw());
                if is_it {
                    let _ = writeln!(all, "  > {}", dressed(&line, &row.flag, color));
                } else {
                    let _ = writeln!(all, "{}", format!("    {line}").trim_end());
                }
            }
        }
        all.push('\n');
    }
    all.truncate(all.trim_end().len());
    all + "\n"
}

/// The process of a flag, and how often it was found.
fn heading(FlagRow { process, flag, .. }: &FlagRow, color: bool) -> String {
    let times = match flag.count {
        0 => "not found".to_owned(),
        1 => "found once".to_owned(),
        many => format!("found {many} times"),
    };
    let most = match flag.target {
        Some(target) if flag.exceeded => format!(", more than {target}"),
        Some(target) => format!(", target {target}"),
        None => String::new(),
    };
    format!(
        "{}: {}: {times}{most}",
        strong(process.as_str(), color),
        dressed(&flag.name.to_string(), flag, color)
    )
}

/// The number of a match, its time, and its life.
fn place(found: &FlagMatch, zone: &TimeZone) -> String {
    let when = (found.time > Timestamp::EPOCH).then(|| found.time.utc());
    let when = when.map_or_else(String::new, |time| {
        zone.to_datetime(time).strftime(" at %Y-%m-%d %H:%M:%S").to_string()
    });
    format!("#{}{when}, life {}", found.number, or_zero::number(found.life))
}

fn dressed(text: &str, flag: &FlagState, color: bool) -> String {
    let bold = if flag.exceeded { "1;" } else { "" };
    if color { format!("\x1b[{bold}{}m{text}\x1b[0m", code(flag.color)) } else { text.to_owned() }
}

/// The terminal's code for a colour.
const fn code(color: FlagColor) -> &'static str {
    match color {
        FlagColor::Green => "32",
        FlagColor::Red => "31",
        FlagColor::Yellow => "33",
        FlagColor::Blue => "34",
        FlagColor::Purple => "35",
        FlagColor::Orange => "38;5;208",
    }
}

#[cfg(test)]
mod tests {
    use crate::model::time::Timestamp;
    use jiff::tz::TimeZone;

    use super::{FlagRow, counts, found};
    use crate::model::plan::rules::FlagColor;
    use crate::model::state::{FlagMatch, FlagState};
    use crate::model::{LifeId, ProcName, Untrusted};

    fn row(name: &str, color: FlagColor, count: u64, matches: Vec<FlagMatch>) -> FlagRow {
        let last = matches.last().map(|found| found.line.clone());
        let flag = FlagState {
            name: name.into(),
            color,
            count,
            target: Some(1),
            exceeded: count > 1,
            last,
        };
        FlagRow { process: ProcName::new("web").unwrap(), flag, matches: Some(matches) }
    }

    fn lines(lines: &[&str]) -> Vec<Untrusted> {
        lines.iter().map(|&line| line.into()).collect()
    }

    fn hit(number: u64, line: &str, before: &[&str], after: &[&str]) -> FlagMatch {
        FlagMatch {
            number,
            life: Some(LifeId::nth(2)),
            time: Timestamp::from_nanos(1_767_319_445_000_000_000),
            line: line.into(),
            before: lines(before),
            after: lines(after),
        }
    }

    #[test]
    fn what_was_found_stands_among_the_lines_around_it() {
        let hits = vec![hit(4, "took 9 ms", &["a", ""], &[]), hit(5, "took\r 10 ms", &[], &["b"])];
        let rows =
            [row("slow", FlagColor::Orange, 5, hits), row("error", FlagColor::Red, 0, vec![])];
        let expected = "web: slow: found 5 times, more than 1\n\n  \
            #4 at 2026-01-02 02:04:05, life 2\n    a\n\n  > took 9 ms\n\n  \
            #5 at 2026-01-02 02:04:05, life 2\n  > took\\r 10 ms\n    b\n\n\
            web: error: not found, target 1\n";
        assert_eq!(found(&rows, &TimeZone::UTC, false), expected);
        let colored = found(&rows, &TimeZone::UTC, true);
        assert!(colored.contains("  > \x1b[1;38;5;208mtook\\r 10 ms\x1b[0m\n"), "{colored:?}");
        assert!(colored.contains("\x1b[31merror\x1b[0m"), "{colored:?}");
    }

    #[test]
    fn each_flag_has_its_colour() {
        use FlagColor::{Blue, Green, Orange, Purple, Red, Yellow};
        let all = [Green, Red, Yellow, Blue, Purple, Orange];
        let rows = all.map(|color| row("flag", color, 1, vec![]));
        let text = counts(&rows, true);
        let starts: Vec<_> =
            text.lines().skip(1).map(|line| line.split('m').next().unwrap()).collect();
        let codes = ["32", "31", "33", "34", "35", "38;5;208"].map(|code| format!("\x1b[{code}"));
        assert_eq!(starts, codes);
        assert!(!counts(&rows, false).contains('\x1b'));
    }
}
