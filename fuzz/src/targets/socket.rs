//! The control socket with an engine behind it that only notes what it is asked.

use std::io;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tmo::crash::Reports;
use tmo::crash::access::CrashAccess;
use tmo::journal::Dirs;
use tmo::journal::history::{
    Answer, Echo, EchoCursor, Extent, History, HistoryEntry, HistoryPage, HistoryProblem,
    JournalAccess, LineCount, LogQuery, OutputAsk, OutputOverTime, PageAsk,
};
use tmo::model::event::What;
use tmo::model::exit::End;
use tmo::model::plan::Backend;
use tmo::model::request::{Cleared, Head, Outcome, Request};
use tmo::model::state::{ProcessState, State, TmuxAddress};
use tmo::model::terminal::emulator::Screen;
use tmo::model::time::Timestamp;
use tmo::model::{ProcName, ProcessStatus};
use tmo::server::engine_handle::{EngineRequest, FailureTexts, Handle};
use tmo::server::serve::{Files, Limits, Listeners, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};

/// What the engine was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    Do(Request, bool, Option<String>),
    View(bool),
    Echo(bool),
}

pub(crate) const NAMES: [&str; 3] = ["web#1", "web#2", "db"];

/// Say this in these pieces, then no more: what is answered, and what the engine was asked. The
/// run is over already, so that nothing that is streamed goes on for ever; and after all that
/// somebody else is answered as ever.
pub(crate) fn talk(pieces: &[&[u8]]) -> (Vec<u8>, Vec<Asked>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        let listeners =
            Listeners { main: UnixListener::bind(&socket).unwrap(), spare: None, tcp: None };
        let (asks, asked) = mpsc::channel(16);
        let seen = Arc::new(Mutex::new(vec![]));
        let engine = tokio::spawn(engine(asked, seen.clone()));
        let (head, end) = (Head::default(), Some(End::default()));
        let (_heads, head) = watch::channel(head);
        let (_ends, end) = watch::channel(end);
        let journal = JournalAccess { echo: Arc::new(Nothing), history: Arc::new(Nothing) };
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { stopped.await.unwrap_or_default() };
        let changes = watch::channel(0).1;
        let handle = Handle { asks, head, changes, end, busy: Arc::default(), run: "r".into() };
        let dirs = Dirs::new(dir.path().join("journal"), None);
        let reports = Reports::new(&dirs, None, "r");
        let crashes = Arc::new(CrashAccess::new(dirs, reports, Box::new(|| None)));
        let files = Files { journal, crashes };
        let served = tokio::spawn(serve(listeners, handle, files, Limits::default(), shutdown));
        let answer = exchange(&socket, pieces).await;
        let after = exchange(&socket, &[b"status\n"]).await;
        assert!(after.starts_with(b"PROCESS "), "others are not served any more");
        drop(stop);
        served.await.unwrap().unwrap();
        engine.await.unwrap();
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        (answer, seen)
    })
}

async fn exchange(socket: &std::path::Path, pieces: &[&[u8]]) -> Vec<u8> {
    let (mut reader, mut writer) = UnixStream::connect(socket).await.unwrap().into_split();
    let write = async {
        for piece in pieces {
            // Who has said enough is not listened to any more.
            if writer.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(writer);
    };
    let mut answer = Vec::new();
    let read = async {
        let _ = reader.read_to_end(&mut answer).await;
    };
    let both = async { tokio::join!(write, read) };
    tokio::time::timeout(Duration::from_secs(30), both).await.expect("a client waits for ever");
    answer
}

async fn engine(mut asked: mpsc::Receiver<EngineRequest>, seen: Arc<Mutex<Vec<Asked>>>) {
    while let Some(ask) = asked.recv().await {
        let what = match ask {
            EngineRequest::State { reply } => {
                let _ = reply.send(state());
                continue;
            }
            EngineRequest::Do { request, wait, from, reply } => {
                let _ = reply.send(outcome(&request));
                Asked::Do(request, wait, from.key)
            }
            EngineRequest::Pane { reply, .. } => {
                // Whoever has asked may be gone.
                let _ = reply.send(Ok(Screen::default()));
                continue;
            }
            EngineRequest::Commands { reply } => {
                // As above.
                let _ = reply.send(vec![]);
                continue;
            }
            EngineRequest::Window { reply, .. } => {
                // As above.
                let _ = reply.send(None);
                continue;
            }
            EngineRequest::ClearScrollback { reply } => {
                let _ = reply.send(());
                continue;
            }
            EngineRequest::Failures { name, reply, .. } => {
                let texts = FailureTexts { process: name, failure_strings: vec![], changed: false };
                let _ = reply.send(Ok(texts));
                continue;
            }
            EngineRequest::Flags { reply, .. } => {
                // As above.
                let _ = reply.send(Ok(vec![]));
                continue;
            }
            EngineRequest::Log(What::Echo { opened, .. }) => Asked::Echo(opened),
            EngineRequest::Log(_) => continue,
            EngineRequest::ViewOpened => Asked::View(true),
            EngineRequest::ViewClosed => Asked::View(false),
        };
        seen.lock().unwrap().push(what);
    }
}

fn outcome(request: &Request) -> Outcome {
    let ok = !matches!(request, Request::Kill);
    Outcome { ok, ..Outcome::default() }
}

struct Nothing;

impl Echo for Nothing {
    fn start(&self) -> Box<dyn EchoCursor> {
        Box::new(Nothing)
    }
}

impl EchoCursor for Nothing {
    fn next(&mut self, _: &Head, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }
}

/// The state that the engine tells.
pub(crate) fn state() -> State {
    let process = |name: &str| {
        ProcessState::new(ProcName::new(name).unwrap(), ProcessStatus::Running, Some(7))
    };
    State {
        api: 1,
        version: "1".to_owned(),
        run: "run".to_owned(),
        title: "title".into(),
        root: "/".into(),
        procfile: None,
        origin: None,
        pid: 1,
        socket: "/s".into(),
        backend: Backend::Tmux,
        tmux: Some(TmuxAddress {
            socket: "sock".into(),
            session: "sess".into(),
            program: "tmux".into(),
        }),
        journal: "/j".into(),
        started: Timestamp::EPOCH,
        views: 0,
        headless_since: None,
        runtime: None,
        host: None,
        quitting: false,
        quitting_note: None,
        processes: NAMES.map(process).to_vec(),
        left_out: vec![],
        actions: vec![],
    }
}

impl History for Nothing {
    fn extent(&self, _: &LogQuery, _: u64) -> Result<Extent, HistoryProblem> {
        Ok(Extent { api: 1, before: 0, all: 0, first: "0.0".to_owned(), records: 0 })
    }

    fn count(&self, _: &LogQuery, _: u64) -> Result<LineCount, HistoryProblem> {
        Ok(LineCount { api: 1, before: 0, all: 0, is_exact: true })
    }

    fn page(
        &self,
        _: &LogQuery,
        _: &PageAsk,
        _: usize,
        _: u64,
    ) -> Result<HistoryPage, HistoryProblem> {
        Ok(HistoryPage::default())
    }

    fn output(&self, _: &OutputAsk, _: u64) -> Result<OutputOverTime, HistoryProblem> {
        let (since, until) = ("2026-01-01T00:00:00Z".to_owned(), "2026-01-01T00:00:00Z".to_owned());
        Ok(OutputOverTime { api: 1, since, until, estimated: false, processes: vec![] })
    }

    fn clear(&self) -> io::Result<Cleared> {
        Ok(Cleared::default())
    }

    fn ask(&self, _ask: &LogQuery) -> Result<Box<dyn Answer>, HistoryProblem> {
        Ok(Box::new(Self))
    }
}

impl Answer for Nothing {
    fn next(&mut self, _upto: u64, _most: usize) -> io::Result<(Vec<HistoryEntry>, bool)> {
        Ok((vec![], false))
    }
}
