//! A server on its own socket, a scripted engine, and raw clients.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tmo_base::model::event::What;
use tmo_base::model::exit::End;
use tmo_base::model::plan::Backend;
use tmo_base::model::request::{Cleared, Head, Outcome, Request};
use tmo_base::model::state::{
    FlagMatch, FlagMatches, ProcessConfig, ProcessState, State, TmuxAddress,
};
use tmo_base::model::terminal::emulator::Screen;
use tmo_base::model::time::Timestamp;
use tmo_base::model::{LifeId, ProcName, ProcessStatus};
use tmo_explain::crash::Reports;
use tmo_explain::crash::access::CrashAccess;
use tmo_journal::Dirs;
use tmo_journal::history::{
    Answer, ECHO_CHUNK, Echo, EchoCursor, Extent, History, HistoryEntry, HistoryPage,
    HistoryProblem, JournalAccess, LineCount, LogQuery, OutputAsk, OutputOverTime, PageAsk,
};
use tmo_run::listen::{self, Listening};
use tmo_server::engine_handle::{
    EngineRequest, FailureTexts, FailuresRequest, Handle, PaneRequest, RequestError,
};
use tmo_server::serve::{Files, Limits, Listeners, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Everything in these tests happens at once; this is only the end of a test that fails.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("it never happened")
}

/// What the engine saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Do(Request, bool),
    Pane(String, PaneRequest),
    Failures(String, FailuresRequest),
    Flags(String, usize),
    View(bool),
    Echo(u64, bool),
}

/// A server under test.
pub(crate) struct Run {
    pub(crate) _dir: TempDir,
    pub(crate) socket: PathBuf,
    pub(crate) head: watch::Sender<Head>,
    pub(crate) end: watch::Sender<Option<End>>,
    pub(crate) seen: mpsc::Receiver<Seen>,
    /// Lets go of the requests for `slow`.
    pub(crate) release: Arc<Notify>,
    /// The largest piece of text that an echo was ever asked to hold.
    pub(crate) largest: Arc<AtomicUsize>,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) served: JoinHandle<std::io::Result<()>>,
}

/// A server for the processes web#1, web#2, worker and slow.
pub(crate) fn run() -> Run {
    run_within(Limits::default())
}

pub(crate) fn run_within(limits: Limits) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join(".overmind.sock");
    let Listening { listener, spare, .. } = listen::bind(&socket, &socket, dir.path()).unwrap();
    let (asks, asked) = mpsc::channel(16);
    let (head, heads) = watch::channel(Head::default());
    let (end, ends) = watch::channel(None);
    let (tells, seen) = mpsc::channel(4096);
    let (release, largest) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    tokio::spawn(engine(asked, tells, release.clone()));
    let echo = Numbers { head: heads.clone(), largest: largest.clone() };
    let changes = watch::channel(0).1;
    let (busy, run) = (Arc::default(), "r-1".into());
    let handle = Handle { asks, head: heads, changes, end: ends, busy, run };
    let (stop, stopped) = oneshot::channel();
    let journal = JournalAccess { echo: Arc::new(echo), history: Arc::new(Few) };
    let shutdown = async {
        // A test that drops the sender ends the server too.
        let _ = stopped.await;
    };
    let dirs = Dirs::new(dir.path().join("journal"), None);
    let reports = Reports::new(&dirs, None, "r");
    let crashes = Arc::new(CrashAccess::new(dirs, reports, Box::new(|| None)));
    let served = tokio::spawn(serve(
        Listeners { main: listener, spare, tcp: None },
        handle,
        Files { journal, crashes },
        limits,
        shutdown,
    ));
    Run { _dir: dir, socket, head, end, seen, release, largest, stop, served }
}

impl Run {
    pub(crate) async fn client(&self) -> tmo_api::client::Client {
        tmo_api::client::Client::connect(&self.socket).await.unwrap()
    }

    pub(crate) async fn raw(&self) -> UnixStream {
        UnixStream::connect(&self.socket).await.unwrap()
    }

    /// Send these bytes, close the sending side if asked, read to the end.
    pub(crate) async fn exchange(&self, text: &str) -> String {
        let mut stream = self.raw().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        read_all(stream).await
    }

    /// One HTTP request; status, head, body.
    pub(crate) async fn http(&self, line: &str, body: &str) -> Reply {
        let length = body.len();
        let text = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        Reply::read(&self.exchange(&text).await)
    }

    pub(crate) fn records(&self, records: u64) {
        self.head.send_replace(Head { records, ..Head::default() });
    }

    pub(crate) async fn next(&mut self) -> Seen {
        soon(self.seen.recv()).await.unwrap()
    }
}

pub(crate) async fn read_all(mut stream: UnixStream) -> String {
    let mut answer = Vec::new();
    // A server that closes on unread bytes resets the connection; what it said before counts.
    let _ = soon(stream.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: serde_json::Value,
}

impl Reply {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).unwrap_or("0").parse().unwrap();
        let body = serde_json::from_str(body).unwrap_or_default();
        Self { status, head: head.to_lowercase(), body }
    }

    pub(crate) fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }
}

const NAMES: [&str; 4] = ["web#1", "web#2", "worker", "slow"];

async fn engine(
    mut asked: mpsc::Receiver<EngineRequest>,
    seen: mpsc::Sender<Seen>,
    release: Arc<Notify>,
) {
    while let Some(ask) = asked.recv().await {
        let saw = match ask {
            EngineRequest::State { reply } => {
                // A client that went away is no concern of the engine.
                let _ = reply.send(state());
                continue;
            }
            EngineRequest::Do { request, wait, reply, .. } => {
                let (outcome, release) = (outcome(&request), release.clone());
                let slow = wait && outcome.names.iter().any(|name| name.as_str() == "slow");
                tokio::spawn(async move {
                    if slow {
                        release.notified().await;
                    }
                    let _ = reply.send(outcome);
                });
                Seen::Do(request, wait)
            }
            EngineRequest::Pane { name, ask, reply } => {
                let all: Vec<ProcName> = NAMES.map(|name| ProcName::new(name).unwrap()).into();
                let answer = match (all.iter().any(|known| known.matches(&name)), &ask) {
                    (false, _) => Err(RequestError::Unknown(Outcome::unknown(&name, &all).into())),
                    (true, PaneRequest::Type { .. }) if name == "slow" => {
                        Err(RequestError::Refused("slow does not run".to_owned()))
                    }
                    (true, PaneRequest::Type { .. }) => Ok(Screen::default()),
                    (true, PaneRequest::Screen { color, .. }) => {
                        Ok(Screen { screen: format!("screen {color}\n"), ..Screen::default() })
                    }
                };
                let _ = reply.send(answer);
                Seen::Pane(name, ask)
            }
            EngineRequest::Commands { reply } => {
                let _ = reply.send(vec![]);
                continue;
            }
            EngineRequest::Window { reply, .. } => {
                let _ = reply.send(None);
                continue;
            }
            EngineRequest::ClearScrollback { reply } => {
                let _ = reply.send(());
                continue;
            }
            EngineRequest::Failures { name, ask, reply, .. } => {
                let _ = reply.send(failures(&name, &ask));
                Seen::Failures(name, ask)
            }
            EngineRequest::Flags { name, last, reply } => {
                let _ = reply.send(flags(&name, last));
                Seen::Flags(name, last)
            }
            EngineRequest::Log(What::Echo { number, opened }) => Seen::Echo(number, opened),
            EngineRequest::Log(_) => continue,
            EngineRequest::ViewOpened => Seen::View(true),
            EngineRequest::ViewClosed => Seen::View(false),
        };
        let _ = seen.send(saw).await;
    }
}

/// Each has found what it was asked for, but for `slow`, who has no flags.
fn flags(name: &str, last: usize) -> Result<Vec<FlagMatches>, Box<Outcome>> {
    let all: Vec<ProcName> = NAMES.map(|name| ProcName::new(name).unwrap()).into();
    if !all.iter().any(|known| known.as_str() == name) {
        return Err(Outcome::unknown(name, &all).into());
    }
    if name == "slow" {
        return Ok(vec![]);
    }
    let found = FlagMatch {
        number: 7,
        life: Some(LifeId::nth(2)),
        time: Timestamp::from_nanos(1),
        line: "took 10 ms".into(),
        before: vec!["before".into()],
        after: vec![],
    };
    let matches = std::iter::repeat_n(found, last.min(1)).collect();
    Ok(vec![FlagMatches { flag: "slow".into(), matches }])
}

/// `panic:` is declared for all, and for `slow` by somebody else.
fn failures(name: &str, ask: &FailuresRequest) -> Result<FailureTexts, RequestError> {
    let all: Vec<ProcName> = NAMES.map(|name| ProcName::new(name).unwrap()).into();
    if !all.iter().any(|known| known.matches(name)) {
        return Err(RequestError::Unknown(Outcome::unknown(name, &all).into()));
    }
    let mut failure_strings = vec!["panic:".to_owned()];
    match ask {
        FailuresRequest::Add(text) | FailuresRequest::Remove(text) if text.is_empty() => {
            return Err(RequestError::Useless("an empty text".to_owned()));
        }
        FailuresRequest::Remove(_) if name == "slow" => {
            return Err(RequestError::Refused("it stands elsewhere".to_owned()));
        }
        FailuresRequest::Add(text) => failure_strings.push(text.clone()),
        FailuresRequest::Remove(text) => failure_strings.retain(|known| known != text),
        FailuresRequest::List => {}
    }
    let changed = failure_strings.len() != 1;
    Ok(FailureTexts { process: name.to_owned(), failure_strings, changed })
}

/// Starting `worker` fails; unknown names are unknown; all else works.
fn outcome(request: &Request) -> Outcome {
    let all: Vec<ProcName> = NAMES.map(|name| ProcName::new(name).unwrap()).into();
    let (Request::Start { names, .. }
    | Request::Stop { names, .. }
    | Request::Restart { names, .. }) = request
    else {
        return Outcome::done(vec![]);
    };
    let lost = |name: &&String| !all.iter().any(|known| known.matches(name));
    if let Some(name) = names.iter().find(lost) {
        return Outcome::unknown(name, &all);
    }
    let wanted = |known: &ProcName| names.iter().any(|name| known.matches(name));
    let hit: Vec<_> = all.into_iter().filter(|known| names.is_empty() || wanted(known)).collect();
    let fails = matches!(request, Request::Start { .. })
        && hit.iter().any(|name| name.as_str() == "worker");
    let problems = if fails { vec!["worker: no such file".into()] } else { vec![] };
    Outcome { ok: !fails, problems, names: hit, ..Outcome::default() }
}

pub(crate) fn state() -> State {
    let process = |(at, name): (usize, &&str)| ProcessState {
        last_pid: Some(u32::try_from(100 + at).unwrap()),
        since: Timestamp::from_nanos(1),
        lives: 1,
        config: ProcessConfig { port: Some(5000), color: 2, ..ProcessConfig::default() },
        ..ProcessState::new(
            ProcName::new(*name).unwrap(),
            ProcessStatus::Running,
            (at != 2).then_some(100),
        )
    };
    State {
        runtime: None,
        host: None,
        api: 1,
        version: "0.1.0".to_owned(),
        run: "r".to_owned(),
        pid: std::process::id(),
        title: "app".into(),
        root: "/app".into(),
        procfile: None,
        origin: None,
        socket: "/app/.overmind.sock".into(),
        backend: Backend::Tmux,
        tmux: Some(TmuxAddress {
            socket: "tmo-app-1".to_owned(),
            session: "app".to_owned(),
            program: "tmux".into(),
        }),
        journal: "/j".into(),
        started: Timestamp::from_nanos(1),
        views: 0,
        headless_since: None,
        quitting: false,
        quitting_note: None,
        processes: NAMES.iter().enumerate().map(process).collect(),
        left_out: vec![],
        actions: vec![],
    }
}

/// An echo whose log is one numbered line per record.
struct Numbers {
    head: watch::Receiver<Head>,
    largest: Arc<AtomicUsize>,
}

struct NumbersCursor {
    next: u64,
    largest: Arc<AtomicUsize>,
}

impl Echo for Numbers {
    fn start(&self) -> Box<dyn EchoCursor> {
        let next = self.head.borrow().records;
        Box::new(NumbersCursor { next, largest: self.largest.clone() })
    }
}

impl EchoCursor for NumbersCursor {
    fn next(&mut self, upto: &Head, out: &mut Vec<u8>) -> std::io::Result<()> {
        while self.next < upto.records && out.len() < ECHO_CHUNK {
            out.extend_from_slice(format!("line {}\n", self.next).as_bytes());
            self.next += 1;
        }
        self.largest.fetch_max(out.capacity(), Ordering::Relaxed);
        Ok(())
    }
}

/// Three lines, `0.0` to `2.0`.
struct Few;

struct FewLeft(Vec<HistoryEntry>);

impl History for Few {
    fn extent(&self, _: &LogQuery, upto: u64) -> Result<Extent, HistoryProblem> {
        Ok(Extent { api: 1, before: upto, all: upto, first: "0.0".to_owned(), records: upto })
    }

    fn count(&self, _: &LogQuery, upto: u64) -> Result<LineCount, HistoryProblem> {
        Ok(LineCount { api: 1, before: upto, all: upto, is_exact: true })
    }

    fn page(
        &self,
        ask: &LogQuery,
        page: &PageAsk,
        most: usize,
        upto: u64,
    ) -> Result<HistoryPage, HistoryProblem> {
        assert!(page.is_special());
        let (mut entries, _) = self.ask(ask)?.next(upto, usize::MAX).unwrap();
        let before = |entry: &HistoryEntry| page.before.as_ref().is_none_or(|b| entry.cursor < *b);
        entries.retain(before);
        let more = entries.len() > most;
        let entries = entries.split_off(entries.len().saturating_sub(most));
        let reached = entries.first().map(|entry| entry.cursor.clone());
        Ok(HistoryPage { entries, reached, more, reset: false })
    }

    fn output(&self, _: &OutputAsk, _: u64) -> Result<OutputOverTime, HistoryProblem> {
        let (since, until) = ("2026-01-01T00:00:00Z".to_owned(), "2026-01-01T00:00:00Z".to_owned());
        Ok(OutputOverTime { api: 1, since, until, estimated: false, processes: vec![] })
    }

    fn clear(&self) -> std::io::Result<Cleared> {
        Ok(Cleared { freed: 10, kept: 2, stays: vec![] })
    }

    fn ask(&self, ask: &LogQuery) -> Result<Box<dyn Answer>, HistoryProblem> {
        if ask.grep.as_deref() == Some("(") {
            return Err(HistoryProblem::Bad("invalid regular expression `(`".to_owned()));
        }
        if let Some(name) = ask.names.iter().find(|name| *name != "web#1") {
            let all: Vec<ProcName> = NAMES.map(|name| ProcName::new(name).unwrap()).into();
            return Err(HistoryProblem::Unknown(tmo_base::model::name::nearest::unknown(
                name, &all,
            )));
        }
        let entry = |at: usize| HistoryEntry {
            cursor: format!("{at}.0"),
            kind: "line".to_owned(),
            json: format!(
                "{{\"time\":\"2026-01-01T00:00:00Z\",\"cursor\":\"{at}.0\",\"text\":\"line {at}\",\
                 \"asked\":\"{:?}\"}}",
                ask.grep.is_some()
            ),
        };
        let all = (0..3).map(entry);
        let behind = |entry: &HistoryEntry| ask.after.as_ref().is_none_or(|a| entry.cursor > *a);
        Ok(Box::new(FewLeft(all.filter(behind).collect())))
    }
}

impl Answer for FewLeft {
    fn next(&mut self, _upto: u64, most: usize) -> std::io::Result<(Vec<HistoryEntry>, bool)> {
        let page: Vec<_> = self.0.drain(..self.0.len().min(most)).collect();
        Ok((page, !self.0.is_empty()))
    }
}
