//! The supervisor process: setting up, the loop, the end.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::changes::FileChanges;
use super::commands::command::AuxCommands;
use super::commands::hooks::Hooks;
use super::commands::probes::Probes;
use super::commands::stop_commands::StopCommands;
use super::core::Engine;
use super::guardian::ListenerHandover;
use super::panes::state::PaneState;
use super::persisted_state::PersistedState;
use super::queue::Queue;
use super::reports::crash_reports;
use super::reports::crash_reports::CrashReports;
use super::reports::notifications::Notifications;
use super::requests::clients::Clients;
use super::search::failure_declarations::FailureDeclarations;
use super::serving::Serving;
use super::startup_report::StartupReport;
use crate::api::proof::Token;
use crate::backend::Terminals;
use crate::journal::history::JournalAccess;
use crate::journal::ingest::Ingest;
use crate::journal::last_run::LastRun;
use crate::journal::segment::{Dirs, SharedLook};
use crate::journal::streams::{Streams, StreamsError};
use crate::model::command::Sender;
use crate::model::event::{Adoption, Fact, What};
use crate::model::exit::End;
use crate::model::plan::{Backend, Plan, ProcessPlan, TakenPort};
use crate::model::request::{Head, Request};
use crate::model::{ProcId, ProcessId, StreamNo};
use crate::protocol::paths::{spill_dir, terminals_dir};
use crate::protocol::spec::replace;
use crate::run::dir::RuntimeDir;
use crate::run::inherit;
use crate::run::listen::SocketFiles;
use crate::run::lock::RunLock;
use crate::run::startup::StartupMessage;
use crate::server::engine_handle::{Busy, EngineRequest, Handle};
use crate::server::serve::{Files, Listeners};
use crate::supervisor::{Input, Supervisor};
use crate::sys::{self, clock, why, why_at};

/// File descriptors that the event loop needs for itself.
const DESCRIPTORS: usize = 8;
/// File descriptors that a run needs in itself, and for each process (bell, life file, streams,
/// pidfd of the shim, a call of tmux). With fewer, the run could begin, but not be asked to end.
const DESCRIPTORS_FOR_ALL: usize = 24;
const DESCRIPTORS_FOR_EACH: usize = 6;

/// The resources that the guardian hands over.
#[derive(Debug)]
pub struct Inherited {
    main: UnixListener,
    spare: Option<UnixListener>,
    tcp: Option<TcpListener>,
    lock: RunLock,
    news: Option<File>,
    handover: ListenerHandover,
}

/// Creates the clients' access to the journal of a run, given its plan and runtime directory.
pub type MakeAccess = dyn Fn(&Plan, &Path) -> JournalAccess;

/// A supervisor that could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It was not started by a guardian.
    #[error("`tmo supervise` is started by tmo itself, not by hand")]
    NoGuardian,
    /// A file of the runtime directory can't be used.
    #[error(transparent)]
    RuntimeDir(#[from] crate::run::dir::RuntimeDirError),
    /// The list of the journal's streams can't be used.
    #[error(transparent)]
    Streams(#[from] StreamsError),
    /// A living run can't be continued, because its files are damaged or missing.
    #[error("{error}: the processes that run here can't be taken over; `tmo kill` ends them")]
    Lost {
        /// What is missing.
        error: Box<RunError>,
    },
    /// Its lock was removed, and another run holds the new one.
    #[error("another run has taken the place of this one; giving up this run")]
    Deposed,
    /// The journal or the operating system has reported an error.
    #[error("{what}: {}", why(source))]
    Io {
        /// The action that failed.
        what: String,
        /// Why.
        source: std::io::Error,
    },
}

impl Inherited {
    /// Take over what the guardian passes: the descriptor numbers of the listener, the second
    /// listener and the TCP listener (`-` if there is none), the lock and the news, and the
    /// [`ListenerHandover`] as JSON.
    pub fn from_arguments(runtime: &Path, words: &[String]) -> Result<Self, RunError> {
        let [main, spare, tcp, lock, news, handover] = words else {
            return Err(RunError::NoGuardian);
        };
        let take_any = |word: &str| (word != "-").then(|| take(word)).transpose();
        let (spare, tcp) = (take_any(spare)?.map(Into::into), take_any(tcp)?.map(Into::into));
        let main = take(main)?.into();
        let lock = lock.parse().map_err(|_| RunError::NoGuardian)?;
        let lock = RunLock::from_raw(lock, runtime).map_err(|_| RunError::NoGuardian)?;
        let news = Some(File::from(take(news)?));
        let handover = serde_json::from_str(handover).map_err(|_| RunError::NoGuardian)?;
        Ok(Self { main, spare, tcp, lock, news, handover })
    }
}

/// Take a descriptor by its number, and set close-on-exec so that no child inherits it.
fn take(number: &str) -> Result<OwnedFd, RunError> {
    let number = number.parse().map_err(|_| RunError::NoGuardian)?;
    inherit::take(number).map_err(|_| RunError::NoGuardian)
}

/// Run the supervisor in this process until the run is over; returns the run's exit code.
///
/// `access` creates the clients' access to the journal.
pub fn supervise(
    runtime: &Path,
    inherited: Inherited,
    access: &MakeAccess,
) -> Result<u8, RunError> {
    let io = |source| RunError::Io { what: "can't start".into(), source };
    sys::raise_descriptor_limit();
    sys::can_open(DESCRIPTORS).map_err(io)?;
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io)?;
    let local = tokio::task::LocalSet::new();
    let result = local.block_on(&tokio, main(&RuntimeDir::new(runtime), inherited, access));
    drop(local);
    // Do not wait for a client's long search.
    tokio.shutdown_background();
    result
}

async fn main(
    runtime: &RuntimeDir,
    inherited: Inherited,
    access: &MakeAccess,
) -> Result<u8, RunError> {
    let engine = match build(runtime) {
        Ok(engine) => engine,
        Err(error) => {
            let Inherited { lock, news, handover, .. } = inherited;
            if !runtime.state_file().exists() {
                // The run has not begun. Files that can't be removed do no harm.
                let _ = (runtime.clear(), handover.place.remove());
                lock.release(runtime.dir());
            }
            let message = StartupMessage::Failed { message: error.to_string(), code: 1 };
            StartupReport::new(news).send(&message);
            return Err(error);
        }
    };
    let journal = access(&engine.plan, runtime.dir());
    let crashes = Arc::new(crash_reports::access(&engine.plan, runtime));
    Box::pin(engine.run_to_end(inherited, Files { journal, crashes })).await
}

pub(super) fn make_dirs(runtime: &RuntimeDir) -> Result<(), RunError> {
    for dir in [runtime.panes(), spill_dir(runtime.dir()), terminals_dir(runtime.dir())] {
        crate::config::place::dirs::make_private_dir(&dir).map_err(|error| RunError::Io {
            what: dir.display().to_string(),
            source: std::io::Error::other(error.to_string()),
        })?;
    }
    Ok(())
}

fn build(runtime: &RuntimeDir) -> Result<Engine, RunError> {
    let plan = with_program(runtime.plan()?);
    afford(&plan, 0)?;
    let adopting = runtime.state_file().exists();
    make_dirs(runtime)?;
    let dirs = Dirs::of_run(&plan, runtime.dir());
    let (list, streams) =
        number_streams(&plan, &dirs).map_err(|error| if adopting { lost(error) } else { error })?;
    let slugs = list.slugs(&streams);
    let mut ingest = open_journal(&plan, &dirs, &slugs, adopting)?;
    let saved = if adopting {
        let mut saved = PersistedState {
            keeper: ProcessId::now(std::process::id()),
            ..PersistedState::load(runtime, &plan)?
        };
        saved.commands.adopt();
        saved
    } else {
        first_state(runtime, &plan, &mut ingest)?
    };
    let processes = plan.processes.iter().zip(&streams);
    let panes =
        processes.map(|(process, no)| PaneState::new(runtime.dir(), &process.name, *no)).collect();
    let retention_due = (plan.log.max_age_ms > 0).then(Instant::now);
    Ok(Engine {
        runtime: runtime.clone(),
        terminals: Terminals::new(&plan, runtime.dir()),
        plan,
        head: watch::Sender::new(Head::default()),
        changes: watch::Sender::default(),
        ingest,
        streams: list,
        saved,
        panes,
        queue: Queue::default(),
        opening: 0,
        gives_up: watch::Sender::new(false),
        adopted: adopting,
        finish: None,
        spilling: false,
        retention_due,
        clients: Clients::default(),
        startup: StartupReport::default(),
        commands: AuxCommands::new(runtime.dir()),
        hooks: Hooks::default(),
        probes: Probes::default(),
        stop_commands: StopCommands::default(),
        file_changes: FileChanges::default(),
        notifications: Notifications::default(),
        crash_reports: CrashReports::default(),
        declarations: FailureDeclarations::default(),
        due: vec![],
        unsaved: false,
        lock: None,
    })
}

/// The state of a run that begins, on disk.
fn first_state(
    runtime: &RuntimeDir,
    plan: &Plan,
    ingest: &mut Ingest,
) -> Result<PersistedState, RunError> {
    let io = |what: &Path, source| RunError::Io { what: what.display().to_string(), source };
    ingest.reserve().map_err(|e| io(plan.log.dir.as_path(), e))?;
    let supervisor = Supervisor::new(plan, clock::now());
    let saved = PersistedState::new(supervisor, ingest.head().records);
    saved.save(runtime)?;
    // Create the file here. Views only write to it: if they created it, a view that comes late
    // would leave the file behind.
    let shown = runtime.shown_file();
    replace(&shown, &[]).map_err(|e| io(&shown, e))?;
    Ok(saved)
}

/// Open the journal to index these streams.
fn open_journal(
    plan: &Plan,
    dirs: &Dirs,
    slugs: &[(StreamNo, String)],
    adopting: bool,
) -> Result<Ingest, RunError> {
    let io = |source| {
        let dir = plan.log.dir.as_path();
        let source = std::io::Error::other(why_at(dir, &source));
        RunError::Io { what: dir.display().to_string(), source }
    };
    // Nothing is written before the run begins.
    let _look = (!adopting).then(SharedLook::begin);
    if !adopting {
        Ingest::conclude(dirs, slugs).map_err(io)?;
        SharedLook::renew();
    }
    Ingest::open(dirs, slugs, plan.log.segment()).map_err(io)
}

/// Record where this run keeps journal and crash reports. If the state directory can't be written,
/// the run continues without that.
pub(super) fn record_dirs(plan: &Plan) {
    if let Some(path) = &plan.last_run
        && let Err(error) = LastRun::of(plan).record(path.as_path())
    {
        let path = path.as_path().display();
        tracing::warn!(%error, %path, "the directories of this run can't be recorded");
    }
}

/// If the tmo program of the plan is gone, use this one for the panes that are opened from now on:
/// another version, installed elsewhere, may have taken over.
fn with_program(plan: Plan) -> Plan {
    let there = || std::env::current_exe().ok().filter(|own| own.exists());
    match there().filter(|_| !plan.tmo.as_path().exists()) {
        Some(own) => Plan { tmo: own.as_path().into(), ..plan },
        None => plan,
    }
}

/// Check that there are enough file descriptors for this many processes.
pub(super) fn afford(plan: &Plan, more: usize) -> Result<(), RunError> {
    let split = plan.processes.iter().filter(|process| process.rules.split_stderr).count();
    let processes = plan.processes.len() + split + more;
    sys::can_open(DESCRIPTORS_FOR_ALL + DESCRIPTORS_FOR_EACH * processes).map_err(|source| {
        RunError::Io { what: "raise `ulimit -n` to run all of this".into(), source }
    })
}

fn lost(error: RunError) -> RunError {
    RunError::Lost { error: Box::new(error) }
}

/// The stream number of each process in this list, which gets the missing ones.
pub(super) fn numbers_of(
    plan: &Plan,
    streams: &mut Streams,
) -> Result<Vec<StreamNo>, StreamsError> {
    let number = |process: &ProcessPlan| {
        if process.rules.split_stderr {
            streams.number_of_stderr(&process.name, process.color)?;
        }
        let number = streams.number(&process.name, process.color);
        streams.set_groups(&process.name, &process.rules.groups);
        number
    };
    plan.processes.iter().map(number).collect()
}

/// The stream number of each process, which is the same as in earlier runs.
fn number_streams(plan: &Plan, dirs: &Dirs) -> Result<(Streams, Vec<StreamNo>), RunError> {
    let known = Streams::open(dirs)?;
    let mut streams = known.clone();
    let numbers = numbers_of(plan, &mut streams)?;
    if streams == known {
        streams.keep()?;
    } else {
        streams.save()?;
    }
    Ok((streams, numbers))
}

impl Engine {
    async fn run_to_end(mut self, inherited: Inherited, files: Files) -> Result<u8, RunError> {
        let io = |what: &str, source| RunError::Io { what: what.to_owned(), source };
        let Inherited { main, spare, tcp, lock, news, handover } = inherited;
        self.startup = StartupReport::new(news);
        let tcp = self.with_token(tcp).map_err(|e| io("the token of the control address", e))?;
        let listeners = Listeners { main, spare, tcp };
        self.lock = Some(lock);
        let (ask, mut asks) = mpsc::channel(64);
        let end = watch::Sender::new(None::<End>);
        let busy = Arc::new(Busy::default());
        busy.taking_over.store(self.adopted, Ordering::Relaxed);
        let (head, ended) = (self.head.subscribe(), end.subscribe());
        let run = self.plan.run.as_str().into();
        let changes = self.changes.subscribe();
        let handle = Handle { asks: ask, head, changes, end: ended, busy: busy.clone(), run };
        let server = Serving::begin(listeners, handle, files);
        let adopted = if self.adopted {
            let living = self.adopt().await.map_err(|e| io("taking over", e))?;
            busy.taking_over.store(false, Ordering::Relaxed);
            self.say_system(What::Adopted { found: Adoption::Living(living) });
            Some(u32::try_from(living).unwrap_or(u32::MAX))
        } else {
            ProcId::all(&self.panes).for_each(|id| self.begin_search(id));
            self.greet(&handover.place);
            None
        };
        self.crash_reports.begin();
        self.follow_files();
        self.publish();
        let first_record = self.saved.first_record;
        let notes: Vec<String> = handover.note.into_iter().chain(self.unwritable()).collect();
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        if let Some(note) = note.as_deref().filter(|_| self.adopted) {
            self.say_system(What::Adopted { found: Adoption::Note(note.to_owned()) });
        }
        self.startup.send(&StartupMessage::Listening { adopted, first_record, note });
        if !self.adopted {
            self.input(Input::Begin);
        }
        record_dirs(&self.plan);
        let code = self.run_loop(&mut asks).await.map_err(|e| io("waiting", e))?;
        let Some(code) = code else { return Err(RunError::Deposed) };
        busy.ending.store(true, Ordering::Relaxed);
        self.end(code, (end, server), handover.place).await;
        Ok(code)
    }

    /// The TCP listener and the token of this run.
    fn with_token(
        &self,
        tcp: Option<TcpListener>,
    ) -> std::io::Result<Option<(TcpListener, Token)>> {
        let Some((listener, address)) = tcp.zip(self.plan.tcp.as_ref()) else { return Ok(None) };
        let token = Token::of_run(self.runtime.dir(), address.token.as_deref())?;
        Ok(Some((listener, token)))
    }

    /// Why the journal can't be written, if that is so, and what to do about it.
    fn unwritable(&self) -> Option<String> {
        let error = self.ingest.dirs().try_writing().err()?;
        let (dir, cause) = (self.plan.log.dir.as_path().display(), why(&error));
        Some(format!(
            "the journal can't be written in {dir}: {cause}; the run goes on, but only its newest \
             output is kept, and none after its end; TMO_LOG_DIR or `[log] dir` names another place"
        ))
    }

    /// The event loop. Returns the exit code when the state machine has finished, or `None` when
    /// another run has taken the place of this one, which must then not touch anything any more.
    async fn run_loop(
        &mut self,
        asks: &mut mpsc::Receiver<EngineRequest>,
    ) -> std::io::Result<Option<u8>> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        loop {
            if self.is_deposed() {
                return Ok(None);
            }
            // An adopted run may be over already, with no event to wait for.
            if let Some(code) = self.finish {
                return Ok(Some(code));
            }
            let alarm = self.alarm();
            let queue = self.queue.clone();
            // The branches have no priority: while output arrives, there may always be another
            // event, and clients must still get their turn.
            tokio::select! {
                () = queue.filled(), if queue.is_empty() => {}
                () = std::future::ready(()), if !queue.is_empty() => {}
                Some(ask) = asks.recv() => self.on_ask(ask),
                _ = terminate.recv() => self.on_signal(),
                _ = interrupt.recv() => self.on_signal(),
                _ = hangup.recv() => {}
                () = until(alarm) => self.on_alarm(),
            }
            // Handle only the events that are queued now. The events they cause are handled in the
            // next turn, after I/O.
            let look = SharedLook::begin();
            for _ in 0..queue.len() {
                if let Some(event) = queue.pop() {
                    self.on_event(event);
                }
            }
            drop(look);
            self.carry_out();
            self.read_user_config();
            self.update_probes();
            self.update_builds();
            self.publish();
            self.startup.update(&self.saved.supervisor);
            tokio::task::yield_now().await;
        }
    }

    /// SIGTERM or SIGINT to the supervisor itself: stop everything; a second one skips the grace
    /// period.
    fn on_signal(&mut self) {
        let (reply, _) = oneshot::channel();
        let from = Sender { by: "signal to the supervisor".to_owned(), key: None };
        self.on_ask(EngineRequest::Do { request: Request::Quit, wait: true, from, reply });
    }

    fn greet(&mut self, place: &SocketFiles) {
        let socket = place.shown(self.plan.socket.as_path(), self.plan.socket_shown.as_path());
        let mut facts = vec![];
        if self.plan.backend == Backend::Tmux && self.plan.as_overmind {
            facts.push(Fact::TmuxSocket(self.plan.tmux_socket.clone()));
            facts.push(Fact::TmuxSession(self.plan.session.clone()));
        }
        facts.push(Fact::Listening(socket.display().to_string()));
        for fact in facts {
            self.say_system(What::Begin { fact });
        }
        for TakenPort { process, port, by } in self.plan.taken_ports.clone() {
            if let Some(id) = self.id_of(&process) {
                self.say(id, What::PortTaken { port, by });
            }
        }
    }
}

async fn until(alarm: Option<Instant>) {
    match alarm {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
