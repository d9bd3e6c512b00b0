//! Access to a run: to its files, and to its supervisor if it has one.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

use crate::api::version::OURS;
use crate::client::{Client, ClientError};
use crate::config::Env;
use crate::crash::Reports;
use crate::crash::access::CrashAccess;
use crate::journal::read::index::IndexReader;
use crate::journal::read::query::last_events;
use crate::journal::search::access::RunHistory;
use crate::journal::search::landmark::last_states;
use crate::journal::streams::Streams;
use crate::model::ProcessStatus;
use crate::model::event::{Logged, What};
use crate::model::request::{API, Head};
use crate::model::state::{ProcessState, State};
use crate::run::registry::KnownRun;
use crate::server::engine_handle::{EngineRequest, Handle};
use crate::server::http;
use crate::server::reading::Reading;
use crate::web::locked;
use crate::web::runs::samples::Samples;
use crate::web::runs::{Follow, Listing, RunList, Seen, Shared};

/// The most requests to a run that may wait.
const WAITING: usize = 32;

/// An active run, or the last run of a project.
#[derive(Debug)]
pub(crate) struct Run {
    /// The facts from its files.
    pub(crate) known: KnownRun,
    /// The part of the API that only reads.
    pub(crate) reading: Router,
    history: Arc<RunHistory>,
    seen: Shared<Seen>,
    samples: Arc<Samples>,
}

impl Run {
    /// Access to this run, with the samples that were taken of it so far.
    fn new(known: KnownRun, samples: Option<Arc<Samples>>) -> Arc<Self> {
        let dirs = known.dirs();
        let (asks, asked) = mpsc::channel(WAITING);
        let run = known.run().unwrap_or(&known.id).into();
        // All records of the index count.
        let head = Head { records: u64::MAX, ..Head::default() };
        let handle = Handle {
            asks,
            head: watch::channel(head).1,
            changes: watch::channel(0).1,
            end: watch::channel(None).1,
            busy: Arc::default(),
            run,
        };
        let reports = Reports::new(&dirs, known.last.crashes.as_ref(), &known.id);
        let runtime = known.runtime.clone();
        let plan = Box::new(move || runtime.as_ref()?.plan().ok());
        let end = known.last.end.clone();
        let crashes = Arc::new(CrashAccess::new(dirs.clone(), reports, plan).with_end(end));
        let history = Arc::new(RunHistory::of(dirs));
        let reading = Reading::new(handle, Arc::<RunHistory>::clone(&history), crashes, None);
        let reading = http::reading().with_state(reading);
        tokio::spawn(answer_requests(known.clone(), asked));
        let samples = samples.unwrap_or_else(|| Arc::new(Samples::new(history.dirs())));
        Arc::new(Self { known, reading, history, seen: Shared::default(), samples })
    }

    /// A client of its supervisor; `None` if it has none.
    pub(crate) async fn client(&self) -> Option<Result<Client, ClientError>> {
        let client = Client::connect(self.known.socket()?).await;
        Some(client.map(|client| client.only_of(self.known.run())))
    }

    /// Read its journal.
    pub(crate) async fn read_history<T: Send + 'static>(
        &self,
        read: impl FnOnce(&RunHistory) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let history = Arc::clone(&self.history);
        spawn_blocking(move || read(&history)).await.map_err(io::Error::other)?
    }

    /// Follow the run for as long as the receiver exists.
    pub(crate) fn follow(&self) -> watch::Receiver<Seen> {
        self.seen.follow(|seen| {
            let (known, history) = (self.known.clone(), Arc::clone(&self.history));
            Follow { known, history, samples: self.samples(), seen }.follow_run()
        })
    }

    /// The samples of its processes' resource use.
    pub(crate) fn samples(&self) -> Arc<Samples> {
        Arc::clone(&self.samples)
    }
}

/// Answer the requests of the reading API that need a supervisor.
async fn answer_requests(known: KnownRun, mut asked: mpsc::Receiver<EngineRequest>) {
    while let Some(ask) = asked.recv().await {
        // The reading API sends no other request.
        if let EngineRequest::State { reply } = ask {
            let known = known.clone();
            tokio::spawn(async move {
                let found = match state(&known).await {
                    Ok(state) => Some(state),
                    // A supervisor that ends answers no more, and its files are there until it has ended.
                    Err(_) => of_ended(known).await,
                };
                if let Some(state) = found {
                    let _ = reply.send(state);
                }
            });
        }
    }
}

/// The state of a run: from its supervisor or, if there is none, from its files.
pub(crate) async fn state(known: &KnownRun) -> Result<State, ClientError> {
    if let Some(socket) = known.socket() {
        let state = Client::connect(socket).await?.state().await?;
        return Ok(State { title: known.title().into(), ..state });
    }
    let known = known.clone();
    let last = spawn_blocking(move || last_state(&known)).await;
    last.map_err(|error| ClientError::Lost { at: "".into(), cause: error.to_string() })
}

/// The last state of a run whose journal has its end.
pub(crate) async fn of_ended(known: KnownRun) -> Option<State> {
    spawn_blocking(move || {
        let index = IndexReader::open(&known.dirs());
        let is_end = |event: &Logged| matches!(event.what(), Some(What::End { run, .. }) if known.run() == Some(run));
        let has_ended = last_events(index, 0).ok()?.iter().any(|(_, event)| is_end(event));
        has_ended.then(|| last_state(&known))
    }).await.ok()?
}

/// The last state of a finished run, as far as its journal has it.
fn last_state(known: &KnownRun) -> State {
    let dirs = known.dirs();
    let streams = Streams::open(&dirs).map(|streams| streams.all().to_vec()).unwrap_or_default();
    let mut processes = Vec::<ProcessState>::new();
    for stream in streams {
        if processes.iter().all(|process| process.name != stream.name) {
            let mut process = ProcessState::new(stream.name, ProcessStatus::Stopped, None);
            process.config.color = stream.color;
            processes.push(process);
        }
    }
    if let Err(error) = last_states(&dirs, &mut processes) {
        tracing::warn!("the journal of {} can't be read: {error}", known.id);
    }
    let root = known.root().unwrap_or("/".as_ref()).to_owned();
    State {
        api: API,
        version: OURS.to_owned(),
        title: known.title().into(),
        root: root.clone().into(),
        origin: Some(root.into()),
        journal: dirs.journal.into(),
        processes,
        ..State::default()
    }
}

/// All runs of the user.
#[derive(Debug)]
pub(crate) struct Runs {
    listing: Listing,
    /// The id of the only instance that is shown; `None`: all.
    only: Option<String>,
    open: Mutex<HashMap<String, Arc<Run>>>,
}

impl Runs {
    /// The runs of the user with this environment, or only this instance.
    pub(crate) fn new(env: Env, only: Option<String>) -> Self {
        Self { listing: Listing::new(env, only.clone()), only, open: Mutex::default() }
    }

    /// The id of the only instance that is shown, if there is one.
    pub(crate) fn only(&self) -> Option<&str> {
        self.only.as_deref()
    }

    /// Read the list now.
    pub(crate) async fn listed(&self) -> io::Result<RunList> {
        self.listing.now().await
    }

    pub(crate) fn follow(&self) -> watch::Receiver<RunList> {
        self.listing.follow()
    }

    /// Wait until exactly this run is over, or all are.
    pub(crate) async fn end_of(&self, run: Option<&str>) {
        let mut listing = self.follow();
        // If the list can't be read now, it may be readable later.
        while !self.listed().await.is_ok_and(|all| {
            !all.iter().any(|known| known.run().is_some_and(|up| run.is_none_or(|run| up == run)))
        }) {
            if listing.changed().await.is_err() {
                return;
            }
        }
    }

    /// The run with this id; `None` if there is none.
    pub(crate) async fn get(&self, id: &str) -> io::Result<Option<Arc<Run>>> {
        Ok(self.get_among(&self.listed().await?, id))
    }

    /// The run with this id in a list of all.
    pub(crate) fn get_among(&self, all: &[KnownRun], id: &str) -> Option<Arc<Run>> {
        let mut open = locked(&self.open);
        open.retain(|id, _| all.iter().any(|known| known.id == *id));
        let known = all.iter().find(|known| known.id == id)?;
        if let Some(run) = open.get(id)
            && (run.known.run(), run.known.standing) == (known.run(), known.standing)
        {
            return Some(Arc::clone(run));
        }
        let before = open.get(id).filter(|before| before.known.run() == known.run());
        let samples = before.map(|before| before.samples());
        let run = Run::new(known.clone(), samples);
        open.insert(id.to_owned(), Arc::clone(&run));
        Some(run)
    }
}
