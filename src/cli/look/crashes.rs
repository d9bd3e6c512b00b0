//! `tmo crashes`: lists and shows crash reports.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::cli::args::{ClientArgs, values};
use crate::cli::output::table::table;
use crate::cli::reach::instance::Instance;
use crate::cli::reach::log::Source;
use crate::cli::{CliError, output, runtime};
use crate::crash::report::end_words;
use crate::crash::store::{self, StoredReport};
use crate::crash::{Cause, CauseKind, Certainty, CrashReport, Summary};
use crate::model::text::untrusted::{shown, shown_line};
use crate::model::time::Timestamp;
use crate::model::{ProcName, units};
use crate::sys::local;
use crate::view::paint::{Mode, NARROWEST, Prefix, SYSTEM, SYSTEM_COLOR, Stamp, Style, name_width};

/// List crash reports, or show one.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo crashes                   all reports, newest last
  tmo crashes list web          of one process
  tmo crashes show              the newest, with what all processes printed around the end
  tmo crashes show web --json   the report file as it is")]
pub(in crate::cli) struct CrashesArgs {
    /// `list` (the default) or `show`; then a process, or the file to show.
    #[arg(value_name = "WHAT", num_args = 0..=2, add = values::crash())]
    what: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// What is asked of the crash reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum CrashAsk {
    /// All of them, or those of a process.
    List(Option<String>),
    /// The newest report, the newest one of the named process, or the one in the named file.
    Show(Option<String>),
}

impl CrashesArgs {
    /// What is asked for. Any other first word is the name of a process whose reports to list.
    fn what(&self) -> Result<CrashAsk, String> {
        let (first, second) = (self.what.first().map(String::as_str), self.what.get(1));
        match (first, second) {
            (None | Some("list"), name) => Ok(CrashAsk::List(name.cloned())),
            (Some("show"), name) => Ok(CrashAsk::Show(name.cloned())),
            (Some(name), None) => Ok(CrashAsk::List(Some(name.to_owned()))),
            (Some(first), Some(_)) => Err(format!("crashes takes list or show, not `{first}`")),
        }
    }
}

/// List or show reports.
pub(in crate::cli) fn crashes(args: &CrashesArgs) -> Result<u8, CliError> {
    let ask = args.what().map_err(CliError::Usage)?;
    if let CrashAsk::Show(Some(file)) = &ask
        && is_path(file)
    {
        let report = read_report(Path::new(file))?;
        return print_report(&report, Path::new(file), None, args.json);
    }
    let mut instance = Instance::find(&args.client)?;
    runtime::block_on(instance.look_where())?;
    if let Some(far) = instance.far() {
        return Err(far.lacks("its crash reports are shown by `tmo crashes`"));
    }
    let source = match Source::of_instance(&instance) {
        Ok(source) => Some(source),
        Err(CliError::NoLog(_)) => None,
        Err(error) => return Err(error),
    };
    let mut found = source.as_ref().map_or(Ok(vec![]), Source::list_reports)?;
    let (CrashAsk::List(name) | CrashAsk::Show(name)) = &ask;
    let name = name.as_deref();
    let streams = source.as_ref().map_or(&[][..], |source| &source.streams);
    let is_named = |found: &StoredReport, name| {
        found.path.file_name().is_some_and(|file| file == name) || found.is_meant(name, streams)
    };
    found.retain(|found| name.is_none_or(|name| is_named(found, name)));
    if let (Some(name), Some(source), true) = (name, &source, found.is_empty()) {
        source.filter(&[name.to_owned()])?;
    }
    match &ask {
        CrashAsk::List(_) => print_list(&found, name, args.json),
        CrashAsk::Show(_) => {
            let Some((report, path)) = newest(&found) else {
                return Err(CliError::Other(none(name)));
            };
            let looks =
                source.map(|source| (Source::style(&instance.context.env, Stamp::Date), source));
            print_report(&report, &path, looks, args.json)
        }
    }
}

/// The newest readable report.
pub(in crate::cli) fn newest(found: &[StoredReport]) -> Option<(CrashReport, PathBuf)> {
    found.iter().rev().find_map(|found| Some((found.report().ok()?, found.path.clone())))
}

/// Whether a word is the path of a file rather than a process, or the file of a report as the list names it.
fn is_path(word: &str) -> bool {
    word.contains('/') || Path::new(word).is_file()
}

fn none(name: Option<&str>) -> String {
    let whose = name.map_or(String::new(), |name| format!(" of {name}"));
    format!("there is no crash report{whose}")
}

fn read_report(path: &Path) -> Result<CrashReport, CliError> {
    store::read_report(path).map_err(CliError::io(path.display()))
}

fn print_list(found: &[StoredReport], name: Option<&str>, json: bool) -> Result<u8, CliError> {
    let all: Vec<Summary> = found.iter().filter_map(Summary::of_stored).collect();
    if json {
        return output::print_json(&all);
    }
    if all.is_empty() {
        output::warn(&none(name));
        return Ok(0);
    }
    let zone = local::zone();
    let rows = all.iter().map(|listed| {
        let cause = listed.cause.as_ref().map_or("", |cause| cause.text.as_str());
        let file = listed.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        [
            shown(&local_time(&listed.timestamp, &zone)).into_owned(),
            listed.process_name.to_string(),
            shown(&end_words(listed.signal.as_deref(), listed.exit_code)).into_owned(),
            shown(&file).into_owned(),
            shown(cause).into_owned(),
        ]
    });
    let text = table(["WHEN", "PROCESS", "END", "FILE", "CAUSE"], rows);
    output::print(&text)
}

/// A report's timestamp in this zone: `2026-01-02 04:04:05`.
fn local_time(time: &str, zone: &TimeZone) -> String {
    time.parse::<Timestamp>()
        .map_or_else(|_| time.to_owned(), |time| local::date_and_time(time, zone))
}

fn print_report(
    report: &CrashReport,
    path: &Path,
    looks: Option<(Style, Source)>,
    json: bool,
) -> Result<u8, CliError> {
    if json {
        return output::print_json(report);
    }
    let (style, source) = looks.unzip();
    let style = style.unwrap_or_else(|| Style::new(Mode::Plain));
    let color = style.mode.color();
    let lived = (Duration::from_millis(report.tmo.uptime_ms), report.tmo.restarts);
    let mut text =
        headline(&report.process_name, &report.timestamp, &report.end(), Some(lived), color);
    let _ = writeln!(text, "{}\n", command(report));
    text += &causes(&report.tmo.cause, color);
    let left = report.tmo.slice_left_out;
    let left =
        if left == 0 { String::new() } else { format!(", without {} of it", units::bytes(left)) };
    let _ = writeln!(text, "What everybody printed around the end{left}:\n");
    let mut text = text.into_bytes();
    slice(report, &style, source.as_ref(), &mut text);
    let path = path.display().to_string();
    text.extend_from_slice(format!("\n{}\n", shown(&path)).as_bytes());
    output::print_painted(&String::from_utf8_lossy(&text))
}

/// The command, and its directory.
fn command(report: &CrashReport) -> String {
    let args =
        report.args.iter().flatten().fold(report.command.clone(), |line, arg| line + " " + arg);
    let port = report.tmo.port.map_or(String::new(), |port| format!(", with port {port}"));
    format!("`{}` in {}{port}", shown(&args), shown(&report.tmo.cwd))
}

/// Which process ended, when, how (`exit 1`, or the signal), after how long and how many restarts, if that is known.
pub(in crate::cli) fn headline(
    process: &ProcName,
    timestamp: &str,
    end: &str,
    lived: Option<(Duration, u64)>,
    color: bool,
) -> String {
    let when = local_time(timestamp, &local::zone());
    let lived = lived.map_or(String::new(), |(ran, restarts)| {
        let again = match restarts {
            0 => String::new(),
            1 => ", restarted once before".to_owned(),
            many => format!(", restarted {many} times before"),
        };
        format!(" after {}{again}", units::span(ran))
    });
    let name = strong(process.as_str(), color);
    format!("{name} ended at {} ({}){lived}\n", shown(&when), shown(end))
}

/// The causes, the most certain first, with evidence and the next command to type.
pub(in crate::cli) fn causes(causes: &[Cause], color: bool) -> String {
    let mut text = String::new();
    for cause in causes {
        // The exit status is a fact, not a guess.
        let known = cause.kind == CauseKind::ExitCode;
        let certainty = match cause.certainty {
            _ if known => "",
            Certainty::Certain => "",
            Certainty::Likely => "likely: ",
            Certainty::Possible => "possibly: ",
        };
        let _ = writeln!(text, "  {certainty}{}", strong(&shown(&cause.text), color));
        if let Some(clue) = &cause.evidence {
            let _ = writeln!(text, "    | {}", shown_line(&clue.text));
        }
        if let Some(place) = &cause.place {
            let _ = writeln!(text, "    at {}", shown(place));
        }
        if let Some(next) = &cause.next {
            let _ = writeln!(text, "    $ {}", shown(next));
        }
        text.push('\n');
    }
    text
}

/// Emphasized text.
pub(in crate::cli) fn strong(text: &str, color: bool) -> String {
    if color { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

/// The recorded output of all processes, in the form of the log.
fn slice(report: &CrashReport, style: &Style, source: Option<&Source>, out: &mut Vec<u8>) {
    let entries = &report.tmo.slice;
    let names = entries.iter().map(|entry| entry.process.as_deref().unwrap_or(SYSTEM));
    let width = name_width(names.clone()).max(NARROWEST);
    let streams = source.map_or(&[][..], |source| &source.streams);
    let color = |name: &str| {
        let stream = streams.iter().find(|stream| stream.name.as_str() == name);
        stream.map_or(SYSTEM_COLOR, |stream| stream.color)
    };
    let mut prefixes: Vec<(&str, Prefix)> = vec![];
    for (name, entry) in names.zip(entries) {
        let at = prefixes.iter().position(|(known, _)| *known == name);
        let at = at.unwrap_or_else(|| {
            prefixes.push((name, Prefix::new(style, width, name, color(name))));
            prefixes.len() - 1
        });
        let time = entry.time.parse::<Timestamp>().unwrap_or_default();
        out.extend_from_slice(prefixes[at].1.at(time, &style.zone));
        let strong = style.mode.color() && entry.event.is_some();
        out.extend_from_slice(if strong { b"\x1b[1m" } else { b"" });
        out.extend_from_slice(shown_line(&entry.text).as_bytes());
        out.extend_from_slice(if strong { b"\x1b[0m\n" } else { b"\n" });
    }
}
