//! `tmo logs`: shows the output of any process at any time.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::sync::mpsc;
use std::time::Duration;

use super::echo::follow;
use super::excerpt::{Bounds, Excerpt, LogSelection};
use super::far;
use crate::cli::args::LogsArgs;
use crate::cli::error::CliError;
use crate::cli::output::outlet::input_ended;
use crate::cli::output::progress::of_search;
use crate::cli::output::stdout::{Pager, Stdout, goes_on, write_out};
use crate::cli::persona::Persona;
use crate::cli::reach::instance::{Instance, WAITS};
use crate::cli::reach::log::{Source, unreadable};
use crate::cli::view::while_wanted;
use crate::cli::{output, runtime};
use crate::client::HeadEvent;
use crate::journal::clear;
use crate::journal::cursor::{Cursor, Filter, Position};
use crate::journal::history::{HistoryAsk, HistoryProblem};
use crate::journal::ingest::Ingest;
use crate::journal::query::tail;
use crate::journal::reader::IndexReader;
use crate::journal::search::access::{begin_before, query_of, run_records};
use crate::journal::search::entry::Names;
use crate::journal::search::select::Query;
use crate::journal::search::{page, runs};
use crate::journal::segment::{Dirs, LOG, Listing};
use crate::journal::streams::Stream;
use crate::model::moment::{moment, span};
use crate::model::request::Cleared;
use crate::model::{ProcName, units};
use crate::run::lock::{self, Door};
use crate::sys::local;
use crate::view::form::Form;
use crate::view::merged::Renderer;
use crate::view::paint::{Stamp, Style};
use crate::view::reading::{Reading, times_around};
use crate::view::screen;

/// With `--around`: how long before and after a line the output of other processes is shown.
const AROUND: Duration = Duration::from_secs(2);

/// Print the existing log, and with `-f` new lines.
pub(in crate::cli) fn logs(args: &LogsArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    runtime::block_on(instance.look_where())?;
    if args.clear {
        return clear(&instance);
    }
    if let Some(far) = &instance.far {
        return far::logs(&instance, far, args);
    }
    let source = Source::of_instance(&instance)?;
    let mut filter = source.filter(&args.names)?.only_output(args.stream, &source.streams);
    if args.path {
        return paths(&source, &filter);
    }
    filter.no_text = args.events;
    let supervised = instance.runtime.is_held();
    let asked = of_search(|_| Asked::new(args, &source, filter, supervised))?;
    let (follows, runs) = (args.follow && supervised, asked.runs);
    if follows {
        Asked::tell_run(runs, args);
    }
    if supervised && !follows {
        instance.warn_of_stopped_supervisor();
    }
    if follows && asked.is_plain(args) {
        let mut job = source.job(asked.from, asked.filter, style(&instance, args));
        divide(&source, args, &mut job.renderer);
        return follow(&instance, job);
    }
    let form = || form(args, &source, &instance);
    if let Some(bounds) = bounds(args) {
        let Asked { index, from, upto, filter, query, after, .. } = asked;
        let asked = LogSelection { index, from, upto, filter, query, after };
        let excerpt = of_search(|_| Excerpt::read(asked, bounds, form))?;
        if goes_on(write_out(&excerpt.text))?
            && let Some(remarks) = excerpt.remarks()
        {
            output::warn(&remarks);
        }
        return Ok(0);
    }
    let form = form();
    let is_newest = args.run.is_none() && run_of(args).is_some();
    let mut outlet = Stdout::new(args.max_bytes);
    if is_newest && !args.json && !args.raw && !follows {
        outlet = outlet.paged(Pager::of(&instance.context.env, &instance.own_path()));
    }
    let upto = asked.upto;
    if let Some(window) = asked.around {
        asked.print_around(&source, supervised, window, form, &mut outlet)?;
        outlet.finish()?;
        Asked::tell_run(runs, args);
        return Ok(0);
    }
    let last = asked.last;
    let cursor = Cursor::over(asked.index, asked.from, asked.filter);
    let mut reading = Reading::new(cursor, asked.query, form, last).after(asked.after);
    if follows {
        return follow_reading(&instance, reading, upto, args.until_input_ends);
    }
    let read: Result<bool, CliError> = of_search(|end| {
        let mut put = |page: &[u8]| {
            end();
            outlet.put(page)
        };
        Ok(goes_on(reading.read(upto, &mut put))? && goes_on(reading.finish(&mut put))?)
    });
    if read? {
        outlet.finish()?;
    }
    Asked::tell_run(runs, args);
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

/// The last lines of a process, as they are shown without names.
pub(in crate::cli) fn last_lines(
    instance: &Instance,
    name: &ProcName,
    lines: usize,
) -> Result<Vec<u8>, CliError> {
    let source = Source::of_instance(instance)?;
    let supervised = instance.runtime.is_held();
    let filter = source.filter(&[name.to_string()])?;
    let mut index = index_of(&source, supervised)?;
    let upto = index.len().map_err(unreadable)?;
    let from = tail(&mut index, &filter, lines as u64, upto).map_err(unreadable)?;
    let style = Style { bare: true, ..Source::style(&instance.context.env, Stamp::default()) };
    let form = Form::Merged(Box::new(source.renderer(style)));
    let mut shown = vec![];
    let mut out = |page: &[u8]| {
        shown.extend_from_slice(page);
        Ok(())
    };
    let mut reading = Reading::new(Cursor::over(index, from, filter), Query::default(), form, None);
    let read = reading.read(upto, &mut out).and_then(|()| reading.finish(&mut out));
    read.map_err(unreadable)?;
    Ok(shown)
}

/// The query that the flags describe.
#[derive(Debug)]
struct Asked {
    index: IndexReader,
    from: Position,
    upto: u64,
    filter: Filter,
    query: Query,
    after: Option<Position>,
    last: Option<usize>,
    around: Option<Duration>,
    /// How many runs there are, if one of them is meant.
    runs: usize,
}

impl Asked {
    fn new(
        args: &LogsArgs,
        source: &Source,
        filter: Filter,
        supervised: bool,
    ) -> Result<Self, CliError> {
        let ask = asked(args)?;
        let mut query = query_of(&ask).map_err(CliError::Usage)?;
        let mut index = index_of(source, supervised)?;
        let mark = clear::mark(&source.dirs);
        let (mut from, mut upto) = (mark, index.len().map_err(unreadable)?);
        let mut runs = 1;
        if let Some(run) = run_of(args) {
            let within = run_records(&source.dirs, run).map_err(|problem| match problem {
                HistoryProblem::Io(error) => unreadable(error),
                HistoryProblem::Bad(text) => CliError::Other(text),
                HistoryProblem::Unknown(outcome) => CliError::Problems(outcome.problems),
            })?;
            (from, upto) = (within.records.start.max(mark), within.records.end.min(upto));
            runs = within.of;
        }
        if args.since_restart {
            let streams = filter.streams.clone().unwrap_or_default();
            let starts = runs::last_starts(&mut index, &streams, upto).map_err(unreadable)?;
            from = from.max(starts.values().min().copied().unwrap_or(upto));
            query.starts = Some(starts);
        }
        if let Some(since) = query.since {
            from = from.max(index.search_time(since).map_err(unreadable)?);
        }
        if let Some(until) = query.until {
            upto = upto.min(index.search_time(until.next()).map_err(unreadable)?);
        }
        let mut from = Position { record: from.min(upto), skip: 0 };
        // A position behind the end is one of an earlier log: all of this one is new.
        let after = args.after.filter(|after| after.record <= upto);
        if let Some(after) = after {
            let context = query.before + query.after;
            let begin = begin_before(&source.dirs, &filter, (from, after), context);
            from = from.max(begin.map_err(unreadable)?);
        }
        let last = args.lines.filter(|_| bounds(args).is_none());
        query.events_count = true;
        if let (Some(lines), None) = (last, &query.starts) {
            let index = index_of(source, supervised)?;
            let begin = page::before_last(index, filter.clone(), &query, from, upto, lines);
            from = begin.map_err(unreadable)?;
        }
        // If every entry counts, that is the first one.
        let last = last.filter(|_| query.pattern.is_some() || query.starts.is_some());
        Ok(Self { index, from, upto, filter, query, after, last, around: window(args)?, runs })
    }

    /// Say, below it, of how many runs the newest one was shown without being asked for.
    fn tell_run(runs: usize, args: &LogsArgs) {
        if args.run.is_none() && runs > 1 && !args.json {
            output::warn(&format_args!("run {runs} of {runs}; `--all-runs`"));
        }
    }

    /// Whether the query is just the merged log as it is.
    fn is_plain(&self, args: &LogsArgs) -> bool {
        let other_form = args.json || args.raw || args.no_prefix || args.events;
        let is_whole = self.query.pattern.is_none() && self.query.starts.is_none();
        is_whole && self.after.is_none() && !other_form
    }

    /// Print the output of all processes around each match.
    fn print_around(
        self,
        source: &Source,
        supervised: bool,
        window: Duration,
        form: Form,
        outlet: &mut Stdout,
    ) -> Result<(), CliError> {
        let Self { index, from, upto, filter, query, .. } = self;
        let search =
            |_: &mut dyn FnMut()| times_around(index, (from.record, upto), filter, &query, window);
        let spans = of_search(search);
        let spans = spans.map_err(unreadable)?;
        let everybody = source.filter(&[])?;
        let cursor = |at| -> Result<Cursor, CliError> {
            let position = Position { record: at, skip: 0 };
            Ok(Cursor::over(index_of(source, supervised)?, position, everybody.clone()))
        };
        let mut reading = Reading::new(cursor(upto)?, Query::default(), form, None);
        let mut index = index_of(source, supervised)?;
        let mark = clear::mark(&source.dirs);
        for (at, (begin, end)) in spans.into_iter().enumerate() {
            let first = index.search_time(begin).map_err(unreadable)?.max(mark);
            let behind = index.search_time(end.next()).map_err(unreadable)?;
            reading.go_to(cursor(first)?, at > 0);
            if !goes_on(reading.read(behind, &mut |page| outlet.put(page)))? {
                return Ok(());
            }
        }
        goes_on(reading.finish(&mut |page| outlet.put(page))).map(drop)
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

/// What the flags ask of a journal, wherever it is.
pub(super) fn asked(args: &LogsArgs) -> Result<HistoryAsk, CliError> {
    let now = local::now();
    // In the time and zone of this machine.
    let time = |text: &Option<String>| match text.as_deref().map(|text| moment(text, &now)) {
        Some(Err(error)) => Err(CliError::Usage(error.to_string())),
        Some(Ok(time)) => Ok(Some(time.to_string())),
        None => Ok(None),
    };
    let both = match &args.context {
        Some(text) if args.around.is_none() => {
            let bad = |_| CliError::Usage("-C takes a number of lines here".into());
            Some(text.parse::<usize>().map_err(bad)?)
        }
        Some(_) | None => None,
    };
    Ok(HistoryAsk {
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
        ..HistoryAsk::default()
    })
}

/// With `--around`: how long before and after a line the output of all processes is shown.
pub(super) fn window(args: &LogsArgs) -> Result<Option<Duration>, CliError> {
    let given = args.context.as_deref().filter(|_| args.around.is_some());
    let given = given.map(span).transpose().map_err(|error| CliError::Usage(error.to_string()))?;
    Ok(args.around.as_ref().map(|_| given.unwrap_or(AROUND)))
}

/// Clear the log.
fn clear(instance: &Instance) -> Result<u8, CliError> {
    let runs = instance.runtime.is_held() || instance.far.is_some();
    if runs {
        instance.refuse_project_above()?;
        runtime::block_on(instance.refuse_other_project())?;
    }
    if instance.far.is_some() {
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

fn form(args: &LogsArgs, source: &Source, instance: &Instance) -> Form {
    if args.json {
        let names = Names::of(&source.dirs, &source.streams);
        return Form::Json { names, apart: false };
    }
    if args.raw {
        return Form::Raw;
    }
    let mut renderer = source.renderer(style(instance, args));
    divide(source, args, &mut renderer);
    Form::Merged(Box::new(renderer))
}

/// Whether the newest run is told from those before it: on a terminal.
pub(super) fn shows_divider(args: &LogsArgs) -> bool {
    !args.no_prefix && screen::is_terminal(std::io::stdout())
}

fn divide(source: &Source, args: &LogsArgs, renderer: &mut Renderer) {
    if !shows_divider(args) {
        return;
    }
    let begin = || source.index().get(runs::newest(|| Ok(source.index()))?);
    // Without the line, the log itself is complete.
    if let Ok(Some(record)) = begin() {
        renderer.divide_at(record.time);
    }
}

/// The style of lines that are shown as text.
pub(super) fn style(instance: &Instance, args: &LogsArgs) -> Style {
    Style { bare: args.no_prefix, ..Source::style(&instance.context.env, args.stamp()) }
}

/// Follow new lines until the run ends or a signal arrives.
fn follow_reading(
    instance: &Instance,
    mut reading: Reading,
    upto: u64,
    until_input_ends: bool,
) -> Result<u8, CliError> {
    let (records, news) = mpsc::channel::<u64>();
    // Writing may block on a slow reader, and must not delay the reaction to a signal.
    let (done, over) = tokio::sync::oneshot::channel();
    let write = move || {
        let mut put = write_out;
        let mut result = reading.read(upto, &mut put).and_then(|()| reading.show_last(&mut put));
        while result.is_ok()
            && let Ok(head) = news.recv()
        {
            let newest = news.try_iter().last().unwrap_or(head);
            result = reading.read(newest, &mut put);
        }
        let result = result.and_then(|()| reading.finish(&mut put));
        // The receiver may be gone.
        let _ = done.send(result);
    };
    std::thread::Builder::new().spawn(write).map_err(CliError::io("a thread"))?;
    runtime::block_on(while_wanted(async {
        let mut over = std::pin::pin!(over);
        let mut input = std::pin::pin!(input_ended());
        instance.warn_of_stopped_supervisor();
        let mut heads = instance.heads().await?;
        loop {
            tokio::select! {
                event = instance.next_of(&mut heads) => match event {
                    Ok(HeadEvent::Head(head)) => _ = records.send(head.records),
                    Ok(HeadEvent::End(_) | HeadEvent::Leave) | Err(_) => break,
                },
                ended = &mut over => return goes_on(ended.unwrap_or(Ok(()))).map(drop),
                ended = &mut input, if until_input_ends => {
                    return ended.map_err(CliError::io("a thread"));
                }
            }
        }
        drop(records);
        goes_on(over.await.unwrap_or(Ok(()))).map(drop)
    }))?;
    Ok(0)
}

/// The index; without a supervisor, extended by what has not been indexed.
pub(in crate::cli) fn index_of(source: &Source, supervised: bool) -> Result<IndexReader, CliError> {
    if supervised { Ok(source.index()) } else { whole_index(&source.dirs, &source.streams) }
}

/// The index, extended by what no supervisor has indexed yet.
pub(in crate::cli) fn whole_index(
    dirs: &Dirs,
    streams: &[Stream],
) -> Result<IndexReader, CliError> {
    let streams: Vec<_> = streams.iter().map(|s| (s.number, s.slug())).collect();
    let mut ingest = Ingest::in_memory(dirs, &streams, false).map_err(unreadable)?;
    while ingest.catch_up(u64::MAX).map_err(unreadable)?.more {}
    Ok(ingest.into_index())
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
