//! Finds the log of an instance, and determines how this command shows it.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::instance::Instance;
use crate::cli::error::CliError;
use crate::config::{Env, Project, StartOptions};
use crate::crash::Reports;
use crate::crash::store::StoredReport;
use crate::journal::history::LogQuery;
use crate::journal::ingest::whole_index;
use crate::journal::read::cursor::{Cursor, Filter, Position};
use crate::journal::read::index::IndexReader;
use crate::journal::read::query::{last_events, last_lines};
use crate::journal::search::lines::Split;
use crate::journal::search::select::{SelectedEntries, Selection};
use crate::journal::segment::Dirs;
use crate::journal::streams::{self, Stream, Streams};
use crate::model::ProcName;
use crate::model::event::What;
use crate::model::exit::End;
use crate::model::network::Network;
use crate::model::plan::Plan;
use crate::sys::local;
use crate::view::formatter::{Form, Formatter};
use crate::view::merged::Renderer;
use crate::view::paint::{Mode, Stamp, Style};
use crate::view::printer::Job;
use crate::view::screen;

/// A journal and the streams in it.
#[derive(Debug)]
pub(in crate::cli) struct Source {
    pub(in crate::cli) dirs: Dirs,
    pub(in crate::cli) streams: Vec<Stream>,
    pub(in crate::cli) reports: Reports,
    /// Processes that are sure to be shown; others widen the column when they appear.
    pub(in crate::cli) present: Vec<ProcName>,
}

impl Source {
    /// The journal of a run.
    pub(in crate::cli) fn of_plan(plan: &Plan, runtime: &Path) -> Result<Self, CliError> {
        let dirs = Dirs::of_run(plan, runtime);
        let present = plan.processes.iter().map(|process| process.name.clone()).collect();
        let reports = Reports::of_plan(plan, &dirs);
        Ok(Self { present, ..Self::open(dirs, reports)? })
    }

    /// The journal of an instance: that of its run, or of its last one.
    pub(in crate::cli) fn of_instance(instance: &Instance) -> Result<Self, CliError> {
        if let Ok(plan) = instance.runtime.plan() {
            return Self::of_plan(&plan, instance.runtime.dir());
        }
        let socket = &instance.socket.path;
        let (dir, crashes) = match instance.last_run() {
            Some(last) => (last.journal.as_path().to_owned(), last.crashes),
            // Its record is lost.
            None => (usual_journal(instance)?, None),
        };
        if !dir.is_dir() {
            let owner = socket.metadata().map_or_else(|_| own_user(), |found| found.uid());
            if owner != own_user() {
                return Err(CliError::Other(format!(
                    "the run at {} belongs to user {owner}, and so does its log: read it as that \
                     user",
                    instance.socket.shown.display()
                )));
            }
            return Err(CliError::NoLog(dir));
        }
        let dirs = Dirs::new(dir, None);
        let reports = Reports::new(&dirs, crashes.as_ref(), &instance.identity.id);
        Self::open(dirs, reports)
    }

    fn open(dirs: Dirs, reports: Reports) -> Result<Self, CliError> {
        let streams = Streams::open(&dirs).map_err(|e| CliError::Other(e.to_string()))?;
        let streams = streams.all().to_vec();
        let present = streams::names(&streams).cloned().collect();
        Ok(Self { dirs, streams, reports, present })
    }

    /// A filter for the streams that these words select; without words, all streams and the supervisor's
    /// messages.
    pub(in crate::cli) fn filter(&self, names: &[String]) -> Result<Filter, CliError> {
        let query = LogQuery { names: names.to_vec(), ..LogQuery::default() };
        query.filter(&self.streams).map_err(CliError::Unknown)
    }

    /// The crash reports of the project, the newest last.
    pub(in crate::cli) fn list_reports(&self) -> Result<Vec<StoredReport>, CliError> {
        self.reports.stored().map_err(CliError::io(self.reports.dir.display()))
    }

    /// The style of this command's output.
    pub(in crate::cli) fn style(env: &Env, stamp: Stamp) -> Style {
        let is_terminal = screen::is_terminal(io::stdout());
        let style = Style::new(Mode::of(is_terminal, |name| env.caller(name)));
        let columns =
            screen::window_size(io::stdout()).map_or(style.columns, |(columns, _)| columns);
        Style { stamp, columns, zone: local::zone(), ..style }
    }

    /// A renderer for these streams.
    pub(in crate::cli) fn renderer(&self, style: Style) -> Renderer {
        let present = |stream: &&Stream| self.present.contains(&stream.name);
        Renderer::of_journal(style, &self.dirs, self.streams.iter().filter(present))
    }

    /// Show the log from this position on.
    pub(in crate::cli) fn job(&self, position: Position, filter: Filter, style: Style) -> Job {
        let formatter = Formatter::new(Form::Merged, self.renderer(style));
        let cursor = Cursor::open(&self.dirs, position, filter);
        let cursor = if formatter.is_exact() { cursor.with_drawings() } else { cursor };
        let entries = SelectedEntries::new(cursor, Selection::default(), Split::Never);
        Job::new(entries, formatter)
    }

    /// The last lines of a process's last life, from its stream.
    pub(in crate::cli) fn last_lines(
        &self,
        name: &ProcName,
        lines: u64,
    ) -> Result<Vec<u8>, CliError> {
        let filter = self.filter(&[name.to_string()])?;
        last_lines(self.index(), filter, lines, 0).map_err(unreadable)
    }

    /// How this run ended, and the number of records up to there; `None` if it has not ended.
    pub(in crate::cli) fn end_of(&self, run: &str) -> Result<Option<(End, u64)>, CliError> {
        let events = last_events(self.index(), 0).map_err(unreadable)?;
        Ok(events.iter().find_map(|(record, event)| match event.what() {
            Some(What::End { run: of, end }) if of == run => Some((end.clone(), record + 1)),
            Some(_) | None => None,
        }))
    }

    /// The number of records so far.
    pub(in crate::cli) fn records(&self) -> Result<u64, CliError> {
        self.index().len().map_err(unreadable)
    }

    /// The index; without a supervisor, extended by what has not been indexed.
    pub(in crate::cli) fn index_of(&self, supervised: bool) -> io::Result<IndexReader> {
        if supervised { Ok(self.index()) } else { whole_index(&self.dirs, &self.streams) }
    }

    /// The merged index.
    pub(in crate::cli) fn index(&self) -> IndexReader {
        IndexReader::open(&self.dirs)
    }
}

/// The error for an unreadable journal.
pub(in crate::cli) fn unreadable(error: io::Error) -> CliError {
    CliError::io("the journal")(error)
}

fn own_user() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The path of the journal that a start without flags would use.
fn usual_journal(instance: &Instance) -> Result<PathBuf, CliError> {
    let context = &instance.context;
    let beside = instance.socket.path.parent().unwrap_or(Path::new("/"));
    let here = if instance.socket.tcp.is_some() { &context.start_dir } else { beside };
    let typed = StartOptions {
        socket: Some(instance.socket.path.clone()),
        network: Some(Network::Unix.name().to_owned()),
        ..Default::default()
    };
    Ok(Project::locate(here, &typed, &context.env)?.state_dir(&context.env))
}
