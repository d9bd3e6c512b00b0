//! Finds the log of an instance, and determines how this command shows it.

use std::io;
use std::path::{Path, PathBuf};

use super::error::CliError;
use super::instance::Instance;
use crate::config::dirs::{instance_id, last_run, state_dir, state_id};
use crate::config::{Env, Project, StartOptions};
use crate::crash::store::{self, Found};
use crate::journal::clear;
use crate::journal::cursor::{Cursor, Filter, Position};
use crate::journal::last_run::LastRun;
use crate::journal::query::tail;
use crate::journal::reader::IndexReader;
use crate::journal::record::{EVENTS, Kind};
use crate::journal::segment::Dirs;
use crate::journal::streams::{Stream, Streams};
use crate::model::ProcName;
use crate::model::event::{Logged, What};
use crate::model::network::Network;
use crate::model::plan::Plan;
use crate::model::run_end::End;
use crate::model::text::OsText;
use crate::sys::local;
use crate::view::merged::Renderer;
use crate::view::paint::{Facts, Stamp, Style};
use crate::view::printer::Job;
use crate::view::screen;

/// A journal and the streams in it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) dirs: Dirs,
    pub(super) streams: Vec<Stream>,
    pub(super) reports: Reports,
    /// Processes that are sure to be shown; others widen the column when they appear.
    pub(super) present: Vec<ProcName>,
}

impl Source {
    /// The journal of a run.
    pub(super) fn of_plan(plan: &Plan, runtime: &Path) -> Result<Self, CliError> {
        let dirs = Dirs::of_run(plan, runtime);
        let present = plan.processes.iter().map(|process| process.name.clone()).collect();
        let id = plan.run.split('-').next().unwrap_or_default();
        let reports = Reports::of(&dirs, plan.crash_dir.as_ref(), id);
        Ok(Self { present, ..Self::open(dirs, reports)? })
    }

    /// The journal of an instance: that of its run, or of its last one.
    pub(super) fn of_instance(instance: &Instance) -> Result<Self, CliError> {
        if let Ok(plan) = instance.runtime.plan() {
            return Self::of_plan(&plan, instance.runtime.dir());
        }
        let socket = &instance.socket.path;
        let (dir, crashes) = match LastRun::read(&last_run(&instance.context.env, socket)) {
            Some(last) => (last.journal.as_path().to_owned(), last.crashes),
            // The last run's version did not record it.
            None => (usual_journal(instance)?, None),
        };
        if !dir.is_dir() {
            return Err(CliError::NoLog(dir));
        }
        let dirs = Dirs::new(dir, None);
        let reports = Reports::of(&dirs, crashes.as_ref(), &instance_id(socket));
        Self::open(dirs, reports)
    }

    fn open(dirs: Dirs, reports: Reports) -> Result<Self, CliError> {
        let streams = Streams::open(&dirs).map_err(|e| CliError::Other(e.to_string()))?;
        let streams = streams.all().to_vec();
        let present = streams.iter().map(|stream| stream.name.clone()).collect();
        Ok(Self { dirs, streams, reports, present })
    }

    /// A filter for the streams that these words select; without words, all streams and the supervisor's
    /// messages.
    pub(super) fn filter(&self, names: &[String]) -> Result<Filter, CliError> {
        CliError::refuse_unknown(names, self.streams.iter().map(|stream| &stream.name))?;
        Ok(Filter::named(names, &self.streams).and_events_about(names))
    }

    /// The style of this command's output.
    pub(super) fn style(env: &Env, stamp: Stamp) -> Style {
        let facts = Facts {
            stdout_is_terminal: screen::is_terminal(io::stdout()),
            no_color: env.caller("NO_COLOR"),
            clicolor_force: env.caller("CLICOLOR_FORCE"),
            term: env.caller("TERM"),
        };
        let style = Style::new(facts.mode());
        let columns =
            screen::window_size(io::stdout()).map_or(style.columns, |(columns, _)| columns);
        Style { stamp, columns, zone: local::zone(), ..style }
    }

    /// A renderer for these streams.
    pub(super) fn renderer(&self, style: Style) -> Renderer {
        let present = |stream: &&Stream| self.present.contains(&stream.name);
        let names = self.streams.iter().filter(present);
        let names: Vec<_> = names.map(|s| (s.number, s.name.as_str(), s.color)).collect();
        Renderer::new(style, &names).with_journal(&self.dirs)
    }

    /// Show the log from this position on.
    pub(super) fn job(&self, position: Position, filter: Filter, style: Style) -> Job {
        Job {
            cursor: Cursor::open(&self.dirs, position, filter),
            renderer: self.renderer(style),
            out: Box::new(io::stdout()),
            shown: None,
            first: vec![],
            last: vec![],
        }
    }

    /// The last lines of a process's last life, from its stream, none before record `first`.
    pub(super) fn last_lines(
        &self,
        name: &ProcName,
        lines: u64,
        first: u64,
    ) -> Result<Vec<u8>, CliError> {
        let filter = self.filter(&[name.to_string()])?;
        let mut index = self.index();
        let upto = index.len().map_err(unreadable)?;
        let mark = Position { record: clear::mark(&self.dirs).max(first), skip: 0 };
        let position = tail(&mut index, &filter, lines, upto).map_err(unreadable)?.max(mark);
        let mut cursor = Cursor::over(index, position, filter);
        let (mut all, mut text) = (vec![], vec![]);
        while let Some(chunk) = cursor.next(upto, &mut text).map_err(unreadable)? {
            match chunk.record.kind {
                Kind::Text => all.extend_from_slice(&text),
                Kind::Start => all.clear(),
                Kind::Exit | Kind::End | Kind::Gap | Kind::Event => {}
            }
        }
        Ok(all)
    }

    /// How this run ended, and the number of records up to there; `None` if it has not ended.
    pub(super) fn end_of(&self, run: &str) -> Result<Option<(End, u64)>, CliError> {
        let events = last_events(self.index(), 0).map_err(unreadable)?;
        Ok(events.iter().find_map(|(record, event)| match event.what() {
            Some(What::End { run: of, end }) if of == run => Some((end.clone(), record + 1)),
            Some(_) | None => None,
        }))
    }

    /// The number of records so far.
    pub(super) fn records(&self) -> Result<u64, CliError> {
        self.index().len().map_err(unreadable)
    }

    /// The merged index.
    pub(super) fn index(&self) -> IndexReader {
        IndexReader::open(&self.dirs)
    }
}

/// The last events of a journal, none before record `first`, each with the number of its record.
pub(super) fn last_events(mut index: IndexReader, first: u64) -> io::Result<Vec<(u64, Logged)>> {
    /// Maximum number of records searched for the end of a run.
    const MOST: u64 = 1000;
    let upto = index.len()?;
    let filter = Filter::only(vec![EVENTS]);
    let from = tail(&mut index, &filter, MOST, upto)?.max(Position { record: first, skip: 0 });
    let mut cursor = Cursor::over(index, from, filter);
    let (mut events, mut text) = (vec![], vec![]);
    while let Some(chunk) = cursor.next(upto, &mut text)? {
        let logged = text.split(|&b| b == b'\n').filter_map(Logged::from_json);
        events.extend(logged.map(|event| (chunk.position, event)));
    }
    Ok(events)
}

/// The error for an unreadable journal.
pub(super) fn unreadable(error: io::Error) -> CliError {
    CliError::io("the journal")(error)
}

/// The crash reports of an instance.
#[derive(Debug)]
pub(super) struct Reports {
    pub(super) dir: PathBuf,
    /// If several projects may share the directory: the prefix of the ids of this project's runs.
    owner: Option<String>,
}

impl Reports {
    fn of(dirs: &Dirs, named: Option<&OsText>, id: &str) -> Self {
        match named {
            Some(dir) => Self { dir: dir.as_path().to_owned(), owner: Some(format!("{id}-")) },
            None => Self { dir: store::dir_of(dirs), owner: None },
        }
    }

    /// All reports, the newest last.
    pub(super) fn list(&self) -> Result<Vec<Found>, CliError> {
        let mut found = store::list(&self.dir).map_err(CliError::io(self.dir.display()))?;
        if let Some(owner) = &self.owner {
            found
                .retain(|found| store::run_of(&found.path).is_ok_and(|run| run.starts_with(owner)));
        }
        Ok(found)
    }
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
    let project = Project::locate(here, &typed, &context.env)?;
    let id = state_id(&project.root, &instance.socket.path);
    Ok(state_dir(&context.env, &project.title, &id))
}
