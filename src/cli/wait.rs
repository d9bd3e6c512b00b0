//! `tmo wait`: until something is the case.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use super::args::{WaitArgs, WaitFor};
use super::error::CliError;
use super::instance::Instance;
use super::log::Source;
use super::progress::with_progress;
use super::terminal::tmo_only;
use crate::client::HeadEvent;
use crate::journal::cursor::{Cursor, Filter, Position};
use crate::journal::search::lines::{Lines, Split};
use crate::journal::search::pattern::Pattern;
use crate::journal::search::runs;
use crate::journal::search::select::Query;
use crate::model::moment::span;
use crate::model::request::{ProcessState, State};
use crate::model::units;
use crate::model::{Exit, ProcName, ProcessStatus, Untrusted};

/// What is known of what is waited for.
enum Verdict {
    /// It is so; the exit code.
    So(u8),
    /// Not yet, and what is missing.
    NotYet(String),
}

/// Wait.
pub(super) fn wait(args: &WaitArgs) -> Result<u8, CliError> {
    let usage = |error: &dyn std::fmt::Display| CliError::Usage(error.to_string());
    let (what, names) = args.what().map_err(|error| usage(&error))?;
    let limit = args.timeout.as_deref().map(span).transpose().map_err(|error| usage(&error))?;
    let mut instance = Instance::find(&args.client)?;
    super::block_on(with_progress("waiting", within(limit, &mut instance, &names, &what)))
}

/// Wait, but no longer than this.
async fn within(
    limit: Option<Duration>,
    instance: &mut Instance,
    names: &[String],
    what: &WaitFor,
) -> Result<u8, CliError> {
    let mut last = "it is not so".to_owned();
    let waiting = until(instance, names, what, &mut last);
    let Some(limit) = limit else { return waiting.await };
    match tokio::time::timeout(limit, waiting).await {
        Ok(result) => result,
        Err(_) => Err(CliError::TimedOut { what: last, limit: units::span(limit) }),
    }
}

/// What a start waits for before it leaves the processes alone.
#[derive(Debug, Clone)]
pub(super) struct Readiness {
    listening: Vec<String>,
    limit: Option<Duration>,
}

impl Readiness {
    /// Read `web,60s`: names, and how long at most.
    pub(super) fn read(words: &str) -> Result<Self, CliError> {
        let (mut listening, mut limit) = (vec![], None);
        for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match span(word) {
                Ok(time) => limit = Some(time),
                Err(error) if word.starts_with(|c: char| c.is_ascii_digit()) => {
                    return Err(CliError::Usage(format!("--wait: {error}")));
                }
                Err(_) => listening.push(word.to_owned()),
            }
        }
        Ok(Self { listening, limit })
    }

    /// The names that are none of these.
    pub(super) fn check(&self, known: &[ProcName]) -> Result<(), CliError> {
        match self.listening.iter().find(|name| !known.iter().any(|known| known.matches(name))) {
            Some(unknown) => Err(CliError::unknown(unknown, known)),
            None => Ok(()),
        }
    }

    /// Until these run, and it is so. One that has ended is told with its own exit code.
    pub(super) async fn wait(
        self,
        mut instance: Instance,
        names: &[String],
    ) -> Result<(), CliError> {
        let what = WaitFor::Up(self.listening);
        match within(self.limit, &mut instance, names, &what).await {
            Err(CliError::Ended { what, code }) => Err(CliError::Start { message: what, code }),
            other => other.map(drop),
        }
    }
}

async fn until(
    instance: &mut Instance,
    names: &[String],
    what: &WaitFor,
    last: &mut String,
) -> Result<u8, CliError> {
    tmo_only(instance).await?;
    let mut seen = Seen::new(instance, names, what)?;
    let mut news = instance.ask(async |client| client.head(false).await).await?;
    // What it has said counts, also if it has ended since.
    let mut records = seen.search.as_ref().map_or(0, |search| search.upto);
    loop {
        let state = match instance.state().await {
            Ok(state) => state,
            Err(error) => return seen.at_the_end()?.ok_or(error),
        };
        // Another run that takes its place is not waited for.
        instance.run = Some(state.run.clone());
        let wanted = chosen(&state, names)?;
        seen.note(&wanted);
        let verdict = match (what, &mut seen.search) {
            (WaitFor::Log(_), Some(search)) => search.look(&wanted, records)?,
            (WaitFor::Exit, _) => all_ended(&wanted),
            (WaitFor::Port, _) => ports(&wanted).await?,
            // The end of the run tells more than the end of one of them.
            (WaitFor::Ready | WaitFor::Up(_), _) if state.quitting => {
                Verdict::NotYet("everything is being stopped".to_owned())
            }
            (WaitFor::Ready, _) => all_ready(&wanted, names.is_empty())?,
            (WaitFor::Up(listening), _) => match all_ready(&wanted, true)? {
                Verdict::So(_) if !listening.is_empty() => {
                    ports(&chosen(&state, listening)?).await?
                }
                verdict @ (Verdict::So(_) | Verdict::NotYet(_)) => verdict,
            },
            (WaitFor::Running | WaitFor::Log(_), _) => all_run(&wanted, names.is_empty())?,
        };
        match verdict {
            Verdict::So(code) => return Ok(code),
            Verdict::NotYet(why) => *last = why,
        }
        let next = news.next();
        // Nobody tells when a port is opened.
        let patience = match what {
            WaitFor::Port | WaitFor::Up(_) => Duration::from_millis(100),
            WaitFor::Running | WaitFor::Ready | WaitFor::Exit | WaitFor::Log(_) => Duration::MAX,
        };
        match tokio::time::timeout(patience, next).await {
            Err(_) => {}
            Ok(Some(Ok(HeadEvent::Head(head)))) => records = head.records,
            Ok(Some(Ok(HeadEvent::End(end)))) => {
                let code = || (*what == WaitFor::Exit).then_some(end.code);
                return seen.at_the_end()?.or_else(code).ok_or_else(|| over(last));
            }
            // Killed, and another one takes over, or it was the last.
            Ok(Some(Ok(HeadEvent::Leave) | Err(_)) | None) => {
                let fresh = instance.ask(async |client| client.head(false).await).await;
                let Ok(fresh) = fresh else {
                    return seen.at_the_end()?.ok_or_else(|| over(last));
                };
                news = fresh;
            }
        }
    }
}

/// What is read of the journal, for what is found there.
struct Seen {
    exits: Option<Exits>,
    search: Option<Search>,
}

impl Seen {
    fn new(instance: &Instance, names: &[String], what: &WaitFor) -> Result<Self, CliError> {
        let search = match what {
            WaitFor::Log(expression) => Some(Search::new(instance, names, expression)?),
            WaitFor::Running | WaitFor::Exit | WaitFor::Port | WaitFor::Ready | WaitFor::Up(_) => {
                None
            }
        };
        // The files of a run on another machine are not here.
        let exits = *what == WaitFor::Exit && instance.on_this_machine().is_ok();
        let exits = exits.then(|| Exits::new(instance, names)).transpose()?;
        Ok(Self { exits, search })
    }

    fn note(&mut self, wanted: &[&ProcessState]) {
        if let Some(exits) = &mut self.exits {
            exits.note(wanted);
        }
        if let Some(search) = &mut self.search {
            search.wanted = wanted.iter().map(|process| process.name.clone()).collect();
        }
    }

    /// The exit code, where the journal of the run, which is over, says that it was so.
    fn at_the_end(&mut self) -> Result<Option<u8>, CliError> {
        match (&mut self.exits, &mut self.search) {
            (Some(exits), _) => exits.code(),
            (None, Some(search)) => Ok(search.has_all()?.then_some(0)),
            (None, None) => Ok(None),
        }
    }
}

/// How the processes that are waited for have ended.
struct Exits {
    cursor: Cursor,
    streams: Vec<(u16, String)>,
    /// By name, as it was last; nothing for one that has not ended.
    last: BTreeMap<ProcName, Option<Exit>>,
}

impl Exits {
    /// Those that these words mean, in their present or last lives.
    fn new(instance: &Instance, names: &[String]) -> Result<Self, CliError> {
        let unreadable = |error| CliError::io("the journal")(error);
        let source = Source::of_instance(instance)?;
        let meant = |name: &ProcName| match names {
            [] => source.present.contains(name),
            names => names.iter().any(|word| name.matches(word)),
        };
        // A group is known once a state was seen.
        let streams = &source.streams;
        let numbers: Vec<u16> = streams.iter().map(|stream| stream.number).collect();
        let mut index = source.index();
        let upto = index.len().map_err(unreadable)?;
        let starts = runs::last_starts(&mut index, &numbers, upto).map_err(unreadable)?;
        let record = starts.values().min().copied().unwrap_or(upto);
        let cursor = Cursor::over(index, Position { record, skip: 0 }, Filter::only(numbers));
        Ok(Self {
            cursor,
            streams: streams.iter().map(|s| (s.number, s.name.to_string())).collect(),
            last: streams
                .iter()
                .filter(|s| meant(&s.name))
                .map(|s| (s.name.clone(), None))
                .collect(),
        })
    }

    fn note(&mut self, wanted: &[&ProcessState]) {
        let exit = |process: &ProcessState| process.exit.filter(|_| process.pid.is_none());
        self.last = wanted.iter().map(|p| (p.name.clone(), exit(p))).collect();
    }

    /// The exit code, if all have ended by the end of the journal.
    fn code(&mut self) -> Result<Option<u8>, CliError> {
        let mut text = vec![];
        let unreadable = |error| CliError::io("the journal")(error);
        while let Some(chunk) = self.cursor.next(u64::MAX, &mut text).map_err(unreadable)? {
            let name = self.streams.iter().find(|(number, _)| *number == chunk.record.stream);
            let last = self
                .last
                .iter_mut()
                .find(|(known, _)| name.is_some_and(|(_, name)| name == known.as_str()));
            if let (Some((_, last)), Some(exit)) = (last, chunk.record.exit()) {
                *last = Some(exit);
            }
        }
        let codes: Option<Vec<u8>> =
            self.last.values().map(|exit| exit.map(Exit::shell_status)).collect();
        Ok(codes.and_then(|codes| codes.into_iter().max()))
    }
}

fn over(last: &str) -> CliError {
    CliError::Over(last.to_owned())
}

pub(super) fn chosen<'a>(
    state: &'a State,
    names: &[String],
) -> Result<Vec<&'a ProcessState>, CliError> {
    let all = &state.processes;
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|p| p.is_meant(name))) {
        let known: Vec<_> = all.iter().map(|process| process.name.clone()).collect();
        return Err(CliError::unknown(unknown, &known));
    }
    let meant = |p: &&ProcessState| names.is_empty() || names.iter().any(|n| p.is_meant(n));
    Ok(all.iter().filter(meant).collect())
}

/// One that has ended or was stopped does not run by waiting.
fn still_comes(process: &ProcessState) -> Result<(), CliError> {
    let (what, code) = match (&process.state, process.exit) {
        (ProcessStatus::Exited | ProcessStatus::Error, Some(exit)) => {
            (format!("{} has ended ({exit})", process.name), exit.shell_status().max(1))
        }
        (ProcessStatus::Stopped, _) => (format!("{} was stopped", process.name), 1),
        (ProcessStatus::Skipped | ProcessStatus::Broken, exit) => {
            let state = || process.state.word().into();
            let why = process.reason.clone().unwrap_or_else(state);
            let code = exit.map_or(1, |exit| exit.shell_status().max(1));
            (format!("{} won't run: {why}", process.name), code)
        }
        (ProcessStatus::Stuck, _) => (format!("{} can't be ended", process.name), 1),
        _ => return Ok(()),
    };
    Err(CliError::Ended { what, code })
}

/// Of all there are, one may have done what it was to do.
fn all_run(wanted: &[&ProcessState], unnamed: bool) -> Result<Verdict, CliError> {
    for process in wanted {
        if unnamed && process.state == ProcessStatus::Exited && process.exit == Some(Exit::Code(0))
        {
            continue;
        }
        // What is not to begin with the others is not waited for with them.
        if unnamed && process.state == ProcessStatus::Stopped && process.lives == 0 {
            continue;
        }
        still_comes(process)?;
        if process.state != ProcessStatus::Running {
            return Ok(Verdict::NotYet(format!("{} is {}", process.name, process.state)));
        }
    }
    Ok(Verdict::So(0))
}

/// The same, and all their checks are passed. One may be ready by its end.
fn all_ready(wanted: &[&ProcessState], unnamed: bool) -> Result<Verdict, CliError> {
    let mut late = None;
    let mut open = vec![];
    for process in wanted {
        match (&process.not_ready, process.ready) {
            (Some(why), _) => {
                let what = format!("{} is not ready: {why}", process.name);
                return Err(CliError::Ended { what, code: 1 });
            }
            (None, Some(true)) if process.state == ProcessStatus::Exited => {}
            (None, Some(false)) if process.state == ProcessStatus::Running => late = Some(*process),
            (None, _) => open.push(*process),
        }
    }
    Ok(match (all_run(&open, unnamed)?, late) {
        (Verdict::So(_), Some(late)) => {
            let lacks = Untrusted::join(&late.lacks, "; ");
            let colon = if lacks.is_empty() { "" } else { ": " };
            Verdict::NotYet(format!("{} is not ready{colon}{lacks}", late.name))
        }
        (verdict @ (Verdict::So(_) | Verdict::NotYet(_)), _) => verdict,
    })
}

fn all_ended(wanted: &[&ProcessState]) -> Verdict {
    let mut code = 0;
    for process in wanted {
        match (&process.state, process.exit) {
            (
                ProcessStatus::Exited
                | ProcessStatus::Stopped
                | ProcessStatus::Error
                | ProcessStatus::Broken,
                Some(exit),
            ) => {
                code = code.max(exit.shell_status());
            }
            (ProcessStatus::Stopped | ProcessStatus::Skipped, None) => {}
            (state, _) => return Verdict::NotYet(format!("{} is {state}", process.name)),
        }
    }
    Verdict::So(code)
}

async fn ports(wanted: &[&ProcessState]) -> Result<Verdict, CliError> {
    for process in wanted {
        still_comes(process)?;
        let Some(port) = process.port else {
            return Err(CliError::Other(format!("{} was told no PORT", process.name)));
        };
        let addresses: [SocketAddr; 2] =
            [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()];
        let mut open = false;
        for address in addresses {
            // A port that the system gives away may meet itself where nobody listens.
            let met = |stream: TcpStream| stream.local_addr().ok() != stream.peer_addr().ok();
            open |= TcpStream::connect(address).await.is_ok_and(met);
        }
        if !open {
            return Ok(Verdict::NotYet(format!("{} does not listen on {port}", process.name)));
        }
    }
    Ok(Verdict::So(0))
}

/// Looks for a line of each process.
struct Search {
    lines: Lines,
    query: Query,
    /// Where the journal ended when it began to look.
    upto: u64,
    /// The streams of those that have said it.
    found: Vec<u16>,
    names: Vec<(u16, String)>,
    expression: String,
    /// The processes that are to say it, as they were last.
    wanted: Vec<ProcName>,
}

impl Search {
    fn new(instance: &Instance, names: &[String], expression: &str) -> Result<Self, CliError> {
        let unreadable = |error| CliError::io("the journal")(error);
        instance.on_this_machine()?;
        let source = Source::of_instance(instance)?;
        let filter = source.filter(names)?;
        let pattern = Pattern::new(expression, false, false);
        let pattern = pattern.map_err(|error| CliError::Usage(error.to_string()))?;
        let mut index = source.index();
        let upto = index.len().map_err(unreadable)?;
        let streams = filter.streams.clone().unwrap_or_default();
        let starts = runs::last_starts(&mut index, &streams, upto).map_err(unreadable)?;
        // Of one that has not begun yet, all that comes counts.
        let first = |stream: &u16| (*stream, starts.get(stream).copied().unwrap_or(upto));
        let starts: std::collections::HashMap<_, _> = streams.iter().map(first).collect();
        let record = starts.values().min().copied().unwrap_or(upto);
        let cursor =
            Cursor::over(index, Position { record, skip: 0 }, Filter::only(streams.clone()));
        let name =
            |stream: &crate::journal::streams::Stream| (stream.number, stream.name.to_string());
        Ok(Self {
            lines: Lines::new(cursor, Split::Like(Box::new(pattern.clone()))),
            query: Query { pattern: Some(pattern), starts: Some(starts), ..Query::default() },
            upto,
            found: vec![],
            names: source.streams.iter().map(name).collect(),
            expression: expression.to_owned(),
            wanted: vec![],
        })
    }

    /// Whether all have said it by the end of the journal.
    fn has_all(&mut self) -> Result<bool, CliError> {
        self.read(u64::MAX)?;
        let said = |wanted: &ProcName| self.has_said(wanted);
        Ok(!self.wanted.is_empty() && self.wanted.iter().all(said))
    }

    fn has_said(&self, wanted: &ProcName) -> bool {
        let is_it = |name: &str| name == wanted.as_str();
        self.names.iter().any(|(stream, name)| is_it(name) && self.found.contains(stream))
    }

    fn read(&mut self, upto: u64) -> Result<(), CliError> {
        let mut scratch = vec![];
        while let Some(entry) = self.lines.next(upto).map_err(CliError::io("the journal"))? {
            let says = entry.is_line()
                && self.query.covers(&entry)
                && self.query.matches(&entry, &mut scratch);
            if says && !self.found.contains(&entry.record.stream) {
                self.found.push(entry.record.stream);
            }
        }
        Ok(())
    }

    fn look(&mut self, wanted: &[&ProcessState], upto: u64) -> Result<Verdict, CliError> {
        self.read(upto)?;
        for process in wanted {
            if !self.has_said(&process.name) {
                still_comes(process)?;
                let text = format!("{} has not said `{}`", process.name, self.expression);
                return Ok(Verdict::NotYet(text));
            }
        }
        Ok(Verdict::So(0))
    }
}
