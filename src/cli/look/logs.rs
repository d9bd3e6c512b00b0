//! `tmo logs`: shows the output of any process at any time.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::time::Duration;

use super::echo::follow;
use super::excerpt::{Bounds, Excerpt};
use super::pages::{Pages, finish, follow_api, renderer_of};
use crate::cli::args::{ClientArgs, values};
use crate::cli::error::CliError;
use crate::cli::output::progress::of_search;
use crate::cli::output::stdout::{Pager, Stdout, goes_on, write_out};
use crate::cli::persona::Persona;
use crate::cli::reach::instance::{Far, Instance, WAITS};
use crate::cli::reach::log::{Source, unreadable};
use crate::cli::view::while_wanted;
use crate::cli::{output, runtime};
use crate::journal::history::{LogQuery, OutputStream};
use crate::journal::read::cursor::{Filter, Position};
use crate::journal::read::index::IndexReader;
use crate::journal::read::query::tail;
use crate::journal::search::entry::Names;
use crate::journal::search::plan::LogPlan;
use crate::journal::search::runs;
use crate::journal::search::select::{SelectedEntries, Selection};
use crate::journal::segment::{LOG, Listing};
use crate::journal::write::clear;
use crate::model::request::Cleared;
use crate::model::time::{moment, span};
use crate::model::{ProcName, units};
use crate::run::lock::{self, Door};
use crate::sys::local;
use crate::view::formatter::{Form, Formatter, LogLine};
use crate::view::paint::{Stamp, Style};
use crate::view::printer::Job;
use crate::view::screen;

/// Print the log so far, including earlier runs.
#[derive(Default, clap::Args)]
#[command(after_help = "\
Examples:
  tmo logs                      everything, merged
  tmo logs web -n 50            the last 50 lines of one process
  tmo logs -n 10 -f             the last 10 lines, then follow
  tmo logs --since 1h --grep 'error|panic' -i -C 3
  tmo logs api --around 'timeout' -C 5s      what all processes printed then
  tmo logs web --since-restart --json | jq -r .text

Times: 10m, 2h30m (ago), 14:05, 2026-11-20, 2026-11-20T14:05:00+01:00. The log survives
the end of a run, and a crash.

Lines appear as in a terminal: overwritten or erased text is left out, and --grep does not match it.
What a program draws on the whole screen is one line, 'full screen: tmo connect NAME'.
Pipes and files get plain text. --raw prints bytes as they were written, with all escape sequences;
CLICOLOR_FORCE=1 does the same for pipes and files, but keeps the names.")]
#[command(group = clap::ArgGroup::new("expression").args(["grep", "around"]))]
pub(in crate::cli) struct LogsArgs {
    /// Print only these processes.
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    pub(super) names: Vec<String>,
    /// The last N lines, of any run; tmo's own messages count, too.
    #[arg(short = 'n', long, value_name = "N")]
    pub(super) lines: Option<usize>,
    /// Keep following new output.
    #[arg(short = 'f', long)]
    pub(super) follow: bool,
    /// Only lines since this time: 10m (ago), 14:05, 2026-11-20T14:05:00Z.
    #[arg(long, value_name = "TIME", add = values::moment())]
    pub(super) since: Option<String>,
    /// Only lines until this time.
    #[arg(long, value_name = "TIME", conflicts_with = "follow", add = values::moment())]
    pub(super) until: Option<String>,
    /// Only lines whose text, as shown and without colours, matches this regular expression.
    #[arg(long, value_name = "RE", allow_hyphen_values = true, value_parser = expression)]
    pub(super) grep: Option<String>,
    /// Ignore case.
    #[arg(short = 'i', long, requires = "expression")]
    pub(super) ignore_case: bool,
    /// Only lines that do not match.
    #[arg(short = 'v', long, requires = "grep")]
    pub(super) invert_match: bool,
    /// Include N lines after each match.
    #[arg(short = 'A', long, value_name = "N", requires = "grep")]
    pub(super) after_context: Option<usize>,
    /// Include N lines before each match.
    #[arg(short = 'B', long, value_name = "N", requires = "grep")]
    pub(super) before_context: Option<usize>,
    /// Include N lines around each match; with --around, a span of time (2s).
    #[arg(short = 'C', long, value_name = "N", requires = "expression")]
    pub(super) context: Option<String>,
    /// What all processes printed within two seconds of each matching line; with NAMEs, only lines
    /// of these processes can match.
    #[arg(long, value_name = "RE", allow_hyphen_values = true, value_parser = expression,
        conflicts_with_all = ["grep", "follow", "lines"])]
    pub(super) around: Option<String>,
    /// Only this run: 1 is the newest, 2 the one before it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) run: Option<u64>,
    /// All runs, not only the newest one.
    #[arg(long, conflicts_with_all = ["run", "since_restart"])]
    pub(super) all_runs: bool,
    /// Only what comes after this place, the `cursor` of a line of `--json`; with --max-bytes, the
    /// first lines that fit.
    #[arg(long, value_name = "CURSOR", conflicts_with_all = ["around"])]
    pub(super) after: Option<Position>,
    /// With --max-bytes: the last lines before this place.
    #[arg(long, value_name = "CURSOR", requires = "max_bytes",
        conflicts_with_all = ["after", "raw", "around", "context", "before_context", "after_context"])]
    pub(super) before: Option<Position>,
    /// With --follow, end when standard input does: a container engine neither ends what it has started for a client nor
    /// closes its output when the client is gone.
    #[arg(long, hide = true)]
    pub(super) until_input_ends: bool,
    /// Only what each process printed since its last start.
    #[arg(long, conflicts_with = "run")]
    pub(super) since_restart: bool,
    /// Only standard error (err) of processes that keep it apart, or only the other output (out).
    #[arg(long, value_name = "STREAM", value_enum, hide_possible_values = true)]
    pub(super) stream: Option<OutputStream>,
    /// Only tmo's own messages: starts, exits, restarts.
    #[arg(long, conflicts_with = "stream")]
    pub(super) events: bool,
    /// One JSON object per line.
    #[arg(long)]
    pub(super) json: bool,
    /// Raw bytes as they were printed, with escape sequences, without names.
    #[arg(long, conflicts_with = "json")]
    pub(super) raw: bool,
    /// Print lines without the names before them.
    #[arg(long, conflicts_with_all = ["json", "raw"])]
    pub(super) no_prefix: bool,
    /// Print at most the last N bytes (10k, 1M), and say how to read on in both directions.
    #[arg(long, value_name = "N", value_parser = size, conflicts_with = "follow")]
    pub(super) max_bytes: Option<u64>,
    /// Show the time of each line.
    #[arg(short = 'T', long, short_alias = 't')]
    pub(super) timestamps: bool,
    /// Print the paths of the log files instead of their contents.
    #[arg(long, conflicts_with_all = ["lines", "follow", "no_prefix"])]
    pub(super) path: bool,
    /// Delete the log so far, of all processes and runs. Crash reports are kept.
    #[arg(long, conflicts_with_all = ["names", "lines", "follow", "since", "until", "grep", "around",
        "run", "since_restart", "stream", "events", "json", "raw", "no_prefix", "max_bytes", "timestamps", "path"])]
    pub(super) clear: bool,
    #[command(flatten)]
    pub(super) client: ClientArgs,
}

impl LogsArgs {
    /// How the time before each line is shown: with the date, since a log may cover several days.
    pub(crate) const fn stamp(&self) -> Stamp {
        if self.timestamps { Stamp::Date } else { Stamp::None }
    }
}

/// `10`, `10k`, `1MB`, `2GiB`.
fn size(text: &str) -> Result<u64, &'static str> {
    units::parse_bytes(text).ok_or("a number of bytes is needed, as in 10k or 1MiB")
}

/// A regular expression, which may begin with `-`, and not the flag that is often typed in its place.
fn expression(text: &str) -> Result<String, String> {
    match text {
        "-i" | "-v" => Err(format!("an expression is needed: {text} stands before this flag")),
        _ => Ok(text.to_owned()),
    }
}

/// With `--around`: how long before and after a line the output of other processes is shown.
const AROUND: Duration = Duration::from_secs(2);

/// Print the existing log, and with `-f` new lines.
pub(in crate::cli) fn logs(args: &LogsArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    runtime::block_on(instance.look_where())?;
    if args.clear {
        return clear(&instance);
    }
    if let Some(far) = instance.far() {
        return print_remote(&instance, far, args);
    }
    let source = Source::of_instance(&instance)?;
    let mut query = query_of(args)?;
    if args.path {
        return paths(&source, &query.filter(&source.streams).map_err(CliError::Unknown)?);
    }
    let bounds = bounds(args);
    query.last = args.lines.filter(|_| bounds.is_none());
    let supervised = instance.runtime.is_held();
    let (index, plan) = of_search(|_| {
        let mut index = source.index_of(supervised).map_err(unreadable)?;
        let plan = query.plan(&mut index, &source.streams)?;
        Ok::<_, CliError>((index, plan))
    })?;
    let runs = plan.runs;
    let follows = args.follow && supervised && plan.end == u64::MAX;
    if follows {
        tell_run(runs, args);
    } else if supervised {
        instance.warn_of_stopped_supervisor();
    }
    let log = LocalLog { args, instance: &instance, source };
    if follows {
        return log.follow(index, plan);
    }
    if let Some(bounds) = bounds {
        return log.print_excerpt(index, plan, bounds);
    }
    let mut outlet = Stdout::new(args.max_bytes);
    let is_paged = args.around.is_none() && args.run.is_none() && run_of(args).is_some();
    if is_paged && !args.json && !args.raw {
        outlet = outlet.paged(Pager::of(&instance.context.env, &instance.own_path()));
    }
    if log.print(index, plan, &mut outlet)? {
        outlet.finish()?;
    }
    tell_run(runs, args);
    Ok(0)
}

/// The run that is meant: the newest one if nothing else is asked for.
fn run_of(args: &LogsArgs) -> Option<u64> {
    let other = args.all_runs || args.events || args.since_restart || args.max_bytes.is_some();
    let is_span = args.since.is_some() || args.until.is_some() || args.after.is_some();
    let is_overmind = Persona::here() == Persona::Overmind;
    let is_newest = !other && !is_span && args.lines.is_none() && !is_overmind;
    args.run.or(is_newest.then_some(1))
}

/// Say, below it, of how many runs the newest one was shown without being asked for.
fn tell_run(runs: usize, args: &LogsArgs) {
    if args.run.is_none() && runs > 1 && !args.json {
        output::warn(&format_args!("run {runs} of {runs}; `--all-runs`"));
    }
}

/// The last lines of a process, as they are shown without names.
pub(in crate::cli) fn last_lines(
    instance: &Instance,
    name: &ProcName,
    lines: usize,
) -> Result<Vec<u8>, CliError> {
    let source = Source::of_instance(instance)?;
    let query = LogQuery { names: vec![name.to_string()], ..LogQuery::default() };
    let mut index = source.index_of(instance.runtime.is_held()).map_err(unreadable)?;
    let mut plan = query.plan(&mut index, &source.streams)?;
    plan.from = tail(&mut index, &plan.filter, lines as u64, plan.upto).map_err(unreadable)?;
    let style = Style { bare: true, ..Source::style(&instance.context.env, Stamp::default()) };
    let mut formatter = Formatter::new(Form::Merged, source.renderer(style));
    let upto = plan.upto;
    let mut entries = formatter.entries_of(index, plan, None);
    let mut text = vec![];
    while entries
        .next(upto, &mut |entry, among| formatter.show(LogLine::Read(entry, among), &mut text))
        .map_err(unreadable)?
    {}
    formatter.renderer.finish(&mut text);
    Ok(text)
}

/// The log of a run whose files are here.
struct LocalLog<'a> {
    args: &'a LogsArgs,
    instance: &'a Instance,
    source: Source,
}

impl LocalLog<'_> {
    fn formatter(&self) -> Formatter {
        let Self { args, instance, source } = self;
        let mut renderer = source.renderer(style(instance, args));
        if shows_divider(args) {
            let mut index = source.index();
            let begin = runs::newest(&mut index).and_then(|begin| index.get(begin));
            // Without the line, the log itself is complete.
            if let Ok(Some(record)) = begin {
                renderer.divide_at(record.time);
            }
        }
        Formatter::new(form(args, Names::new(&source.dirs, &source.streams)), renderer)
    }

    fn entries(&self, index: IndexReader, plan: LogPlan, formatter: &Formatter) -> SelectedEntries {
        let is_counted = plan.selection.pattern.is_some() || plan.selection.starts.is_some();
        // If every entry counts, the plan begins with the first of the last ones.
        let last = self.args.lines.filter(|_| is_counted);
        formatter.entries_of(index, plan, last)
    }

    fn pages(&self, index: IndexReader, plan: LogPlan, formatter: &Formatter) -> Pages<'_> {
        let upto = plan.upto;
        Pages::Files { entries: Box::new(self.entries(index, plan, formatter)), upto }
    }

    /// Print what is there; false if it has no reader any more.
    fn print(
        &self,
        mut index: IndexReader,
        plan: LogPlan,
        outlet: &mut Stdout,
    ) -> Result<bool, CliError> {
        let window = window(self.args)?;
        let mut formatter = self.formatter();
        let mut pages = self.pages(index.reopened(), plan, &formatter);
        let open = |query: LogQuery, formatter: &Formatter| {
            let plan = query.plan(&mut index, &self.source.streams)?;
            Ok(self.pages(index.reopened(), plan, formatter))
        };
        let goes_on = of_search(|begin| {
            runtime::block_on(pages.print_all(window, open, &mut formatter, outlet, begin))
        })?;
        Ok(goes_on && finish(&mut formatter, outlet)?)
    }

    /// Print a part that is bounded in bytes.
    fn print_excerpt(
        &self,
        index: IndexReader,
        plan: LogPlan,
        bounds: Bounds,
    ) -> Result<u8, CliError> {
        let excerpt = of_search(|_| Excerpt::read(index, plan, bounds, || self.formatter()))?;
        if goes_on(write_out(&excerpt.text))?
            && let Some(remarks) = excerpt.remarks()
        {
            output::warn(&remarks);
        }
        Ok(0)
    }

    /// Print what is there, and new lines until the run ends or a signal arrives.
    fn follow(&self, index: IndexReader, plan: LogPlan) -> Result<u8, CliError> {
        let args = self.args;
        let Selection { pattern, starts, after, .. } = &plan.selection;
        let is_all = pattern.is_none() && starts.is_none() && after.is_none();
        let is_merged = !args.json && !args.raw && !args.no_prefix && !args.events;
        let upto = plan.upto;
        let formatter = self.formatter();
        let entries = self.entries(index, plan, &formatter);
        let shows_unfinished = is_all && is_merged;
        let job = Job { upto, shows_unfinished, ..Job::new(entries, formatter) };
        follow(self.instance, job, args.until_input_ends)
    }
}

/// `tmo logs` and `tmo events` of a run on another machine, whose supervisor selects the lines.
fn print_remote(instance: &Instance, far: &Far, args: &LogsArgs) -> Result<u8, CliError> {
    let of_files =
        [("--raw", args.raw), ("--path", args.path), ("--before", args.before.is_some())];
    if let Some((flag, _)) = of_files.iter().find(|(_, is_given)| *is_given) {
        return Err(far.lacks(&format!("{flag} needs its files")));
    }
    let mut pages = Pages::of_api(instance, query_of(args)?);
    let window = window(args)?;
    let mut renderer = renderer_of(far, style(instance, args));
    if shows_divider(args) {
        renderer.divide_at(far.state.started);
    }
    let mut formatter = Formatter::new(form(args, Names::default()), renderer);
    let mut outlet = Stdout::new(args.max_bytes);
    runtime::block_on(while_wanted(async {
        let open = |query, _: &Formatter| Ok(Pages::of_api(instance, query));
        let begin = &mut || ();
        let goes_on = pages.print_all(window, open, &mut formatter, &mut outlet, begin).await?;
        match pages {
            Pages::Api { query, .. } if goes_on && args.follow => {
                follow_api(instance, query, &mut formatter).await
            }
            Pages::Api { .. } | Pages::Files { .. } => Ok(()),
        }
    }))?;
    finish(&mut formatter, &mut outlet)?;
    outlet.finish()
}

fn form(args: &LogsArgs, names: Names) -> Form {
    if args.json {
        Form::Json(names)
    } else if args.raw {
        Form::Raw
    } else {
        Form::Merged
    }
}

/// How much of the log, if `--max-bytes` says so. Bytes without names, and lines around others, have no place at which
/// the log goes on.
fn bounds(args: &LogsArgs) -> Option<Bounds> {
    let is_plain = !args.raw && args.around.is_none();
    let has_context =
        args.before_context.is_some() || args.after_context.is_some() || args.context.is_some();
    let bytes = args.max_bytes.filter(|_| is_plain && !has_context)?;
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    Some(Bounds { bytes, lines: args.lines, before: args.before })
}

/// The query that the flags describe, of a journal here or elsewhere.
fn query_of(args: &LogsArgs) -> Result<LogQuery, CliError> {
    let now = local::now();
    // In the time and zone of this machine.
    let time = |text: &Option<String>| {
        let time = text.as_deref().map(|text| moment(text, &now)).transpose();
        time.map(|time| time.map(|time| time.to_string()))
            .map_err(|error| CliError::Usage(error.to_string()))
    };
    let both = match &args.context {
        Some(text) if args.around.is_none() => Some(
            text.parse::<usize>()
                .map_err(|_| CliError::Usage("-C takes a number of lines here".into()))?,
        ),
        Some(_) | None => None,
    };
    Ok(LogQuery {
        names: args.names.clone(),
        last: args.lines,
        since: time(&args.since)?,
        until: time(&args.until)?,
        grep: args.grep.clone().or_else(|| args.around.clone()),
        stream: args.stream,
        ignore_case: args.ignore_case,
        invert: args.invert_match,
        events: args.events,
        run: run_of(args),
        since_restart: args.since_restart,
        after: args.after.map(|after| after.to_string()),
        lines_before: args.before_context.or(both).unwrap_or(0),
        lines_after: args.after_context.or(both).unwrap_or(0),
        ..LogQuery::default()
    })
}

/// With `--around`: how long before and after a line the output of all processes is shown.
fn window(args: &LogsArgs) -> Result<Option<Duration>, CliError> {
    let given = args.context.as_deref().filter(|_| args.around.is_some());
    let given = given.map(span).transpose().map_err(|error| CliError::Usage(error.to_string()))?;
    Ok(args.around.as_ref().map(|_| given.unwrap_or(AROUND)))
}

/// Clear the log.
fn clear(instance: &Instance) -> Result<u8, CliError> {
    let runs = instance.runtime.is_held() || instance.far().is_some();
    if runs {
        runtime::block_on(instance.refuse_other_run())?;
    }
    if instance.far().is_some() {
        let asked = instance.ask(async |client| client.clear_log().await);
        return output::print(&cleared(runtime::block_on(asked)?));
    }
    Source::of_instance(instance)?;
    if !runs {
        instance.refuse_log_of_other_project()?;
    }
    let _door = loop {
        // Keeps other commands from starting a run meanwhile, whether there is one now or not.
        instance.identity.make_runtime()?;
        match Door::enter(instance.runtime.dir(), || output::warn(&WAITS)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            entered => break entered.map_err(CliError::io("the lock"))?,
        }
    };
    let source = Source::of_instance(instance)?;
    let held = lock::is_held(instance.runtime.dir()).map_err(CliError::io("the lock"))?;
    let done = if held {
        runtime::block_on(instance.ask(async |client| client.clear_log().await))?
    } else {
        // Surviving processes of a killed run may still be writing.
        let written = instance.runtime.has_survivors();
        let clear = if written { clear::clear_behind } else { clear::clear_all };
        let mut done = clear(&source.dirs).map_err(CliError::io(source.dirs.journal.display()))?;
        done.stays.extend(source.reports.copies_of_output());
        done
    };
    output::print(&cleared(done))
}

/// The result of clearing, and where cleared output may still be.
fn cleared(Cleared { freed, stays, .. }: Cleared) -> String {
    let mut text = format!("The log is cleared. {} of disk space freed.\n", units::bytes(freed));
    for copy in stays {
        _ = writeln!(text, "Not deleted: {copy}.");
    }
    text
}

/// Whether the newest run is told from those before it: on a terminal.
fn shows_divider(args: &LogsArgs) -> bool {
    !args.no_prefix && !args.json && !args.raw && screen::is_terminal(std::io::stdout())
}

/// The style of lines that are shown as text.
fn style(instance: &Instance, args: &LogsArgs) -> Style {
    Style { bare: args.no_prefix, ..Source::style(&instance.context.env, args.stamp()) }
}

/// The files with the text, oldest first.
fn paths(source: &Source, filter: &Filter) -> Result<u8, CliError> {
    let mut text = String::new();
    for stream in source.streams.iter().filter(|s| filter.takes(s.number)) {
        let mut listing = Listing::new(&stream.slug(), LOG);
        listing.refresh(&source.dirs).map_err(CliError::io(source.dirs.journal.display()))?;
        for segment in listing.segments() {
            if let Some(path) = segment.path(&source.dirs, listing.slug(), LOG) {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{}", path.display());
            }
        }
    }
    output::print(&text)
}
