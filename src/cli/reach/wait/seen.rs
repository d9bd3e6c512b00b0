//! What `tmo wait` reads from the journal: how processes ended, and whether they printed a line.

use std::collections::BTreeMap;

use super::{ConditionState, still_comes};
use crate::cli::args::WaitFor;
use crate::cli::error::CliError;
use crate::cli::reach::instance::Instance;
use crate::cli::reach::log::{Source, unreadable};
use crate::journal::read::cursor::{Cursor, Filter, Position};
use crate::journal::search::lines::{Lines, Split};
use crate::journal::search::pattern::Pattern;
use crate::journal::search::runs;
use crate::journal::search::select::Selection;
use crate::journal::streams::Stream;
use crate::model::state::ProcessState;
use crate::model::{Exit, ProcName, StreamNo};

/// Reads from the journal whether the condition was met.
pub(super) struct ConditionReader {
    exits: Option<Exits>,
    pub(super) search: Option<Search>,
}

impl ConditionReader {
    pub(super) fn new(
        instance: &Instance,
        names: &[String],
        what: &WaitFor,
    ) -> Result<Self, CliError> {
        let expression = if let WaitFor::Log(expression) = what { Some(expression) } else { None };
        let search = expression.map(|text| Search::new(instance, names, text)).transpose()?;
        // If the run is on another machine, its files are not here.
        let exits = *what == WaitFor::Exit && instance.on_this_machine().is_ok();
        let exits = exits.then(|| Exits::new(instance, names)).transpose()?;
        Ok(Self { exits, search })
    }

    /// Record the present state of the processes waited for.
    pub(super) fn note(&mut self, wanted: &[&ProcessState]) {
        if let Some(exits) = &mut self.exits {
            exits.note(wanted);
        }
        if let Some(search) = &mut self.search {
            search.wanted = wanted.iter().map(|process| process.name.clone()).collect();
        }
    }

    /// The exit code of the command when the run is over, if its journal shows that the condition was met.
    pub(super) fn at_the_end(&mut self) -> Result<Option<u8>, CliError> {
        match (&mut self.exits, &mut self.search) {
            (Some(exits), _) => exits.code(),
            (None, Some(search)) => Ok(search.has_all()?.then_some(0)),
            (None, None) => Ok(None),
        }
    }
}

/// The exits of the processes waited for.
struct Exits {
    cursor: Cursor,
    streams: Vec<Stream>,
    /// The latest exit of each; `None` while it runs.
    last: BTreeMap<ProcName, Option<Exit>>,
}

impl Exits {
    /// Reads from the beginning of the latest life of each process.
    fn new(instance: &Instance, names: &[String]) -> Result<Self, CliError> {
        let source = Source::of_instance(instance)?;
        let streams = source.streams.iter();
        let numbers: Vec<StreamNo> = streams.clone().map(|stream| stream.number).collect();
        let named = streams.filter(|stream| match names {
            [] => source.present.contains(&stream.name),
            names => names.iter().any(|word| stream.is_meant(word)),
        });
        let last = named.map(|stream| (stream.name.clone(), None)).collect();
        let mut index = source.index();
        let upto = index.len().map_err(unreadable)?;
        let starts = runs::last_starts(&mut index, &numbers, upto).map_err(unreadable)?;
        let record = starts.values().min().copied().unwrap_or(upto);
        let cursor = Cursor::over(index, Position::at(record), Filter::only(numbers));
        Ok(Self { cursor, streams: source.streams, last })
    }

    fn note(&mut self, wanted: &[&ProcessState]) {
        let exit = |process: &ProcessState| process.ends.exit.filter(|_| process.pid.is_none());
        self.last = wanted.iter().map(|p| (p.name.clone(), exit(p))).collect();
    }

    /// The highest exit code, if the journal shows an exit of each process.
    fn code(&mut self) -> Result<Option<u8>, CliError> {
        let mut text = vec![];
        while let Some(chunk) = self.cursor.next(u64::MAX, &mut text).map_err(unreadable)? {
            let stream = self.streams.iter().find(|stream| stream.number == chunk.record.stream);
            let last = stream.and_then(|stream| self.last.get_mut(&stream.name));
            if let (Some(last), Some(exit)) = (last, chunk.record.exit()) {
                *last = Some(exit);
            }
        }
        let codes: Option<Vec<u8>> =
            self.last.values().map(|exit| exit.map(Exit::shell_status)).collect();
        Ok(codes.and_then(|codes| codes.into_iter().max()))
    }
}

/// Searches the output of each process for a line.
pub(super) struct Search {
    lines: Lines,
    selection: Selection,
    /// The number of records when the search began.
    pub(super) upto: u64,
    /// The streams in which the line was found.
    found: Vec<StreamNo>,
    streams: Vec<Stream>,
    expression: String,
    /// The processes that must print it.
    wanted: Vec<ProcName>,
}

impl Search {
    fn new(instance: &Instance, names: &[String], expression: &str) -> Result<Self, CliError> {
        instance.on_this_machine()?;
        let source = Source::of_instance(instance)?;
        let filter = source.filter(names)?;
        let pattern = Pattern::new(expression, false, false);
        let pattern = pattern.map_err(|error| CliError::Usage(error.to_string()))?;
        let mut index = source.index();
        let upto = index.len().map_err(unreadable)?;
        let streams = filter.streams.clone().unwrap_or_default();
        let starts = runs::last_starts(&mut index, &streams, upto).map_err(unreadable)?;
        // If a process has not started yet, all its output counts.
        let first = |stream: &StreamNo| (*stream, starts.get(stream).copied().unwrap_or(upto));
        let starts: std::collections::HashMap<_, _> = streams.iter().map(first).collect();
        let record = starts.values().min().copied().unwrap_or(upto);
        let cursor = Cursor::over(index, Position::at(record), Filter::only(streams.clone()));
        Ok(Self {
            lines: Lines::new(cursor.with_drawings(), Split::Like(Box::new(pattern.clone()))),
            selection: Selection {
                pattern: Some(pattern),
                starts: Some(starts),
                ..Selection::default()
            },
            upto,
            found: vec![],
            streams: source.streams,
            expression: expression.to_owned(),
            wanted: vec![],
        })
    }

    /// Whether all of them had printed it by the end of the journal.
    fn has_all(&mut self) -> Result<bool, CliError> {
        self.search_until(u64::MAX)?;
        Ok(!self.wanted.is_empty() && self.wanted.iter().all(|wanted| self.has_said(wanted)))
    }

    fn has_said(&self, wanted: &ProcName) -> bool {
        let said = |stream: &Stream| stream.name == *wanted && self.found.contains(&stream.number);
        self.streams.iter().any(said)
    }

    fn search_until(&mut self, upto: u64) -> Result<(), CliError> {
        let mut scratch = vec![];
        while let Some(entry) = self.lines.next(upto).map_err(unreadable)? {
            let says = entry.is_line()
                && self.selection.covers(&entry)
                && self.selection.matches(&entry, &mut scratch);
            if says && !self.found.contains(&entry.record.stream) {
                self.found.push(entry.record.stream);
            }
        }
        Ok(())
    }

    pub(super) fn verdict(
        &mut self,
        wanted: &[&ProcessState],
        upto: u64,
    ) -> Result<ConditionState, CliError> {
        self.search_until(upto)?;
        for process in wanted {
            if !self.has_said(&process.name) {
                still_comes(process)?;
                let text = format!("{} has not said `{}`", process.name, self.expression);
                return Ok(ConditionState::NotYet(text));
            }
        }
        Ok(ConditionState::So(0))
    }
}
