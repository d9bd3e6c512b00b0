//! The WebSocket of a page: what changes in the run that it shows.
//!
//! A frame is made only when the page has taken the previous one, and always of the latest values. So a page
//! that is slow, hidden or stopped costs nothing but its socket, and delays nobody.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, interval_at, timeout};

use super::ending::closed;
use super::follow::{Link, Seen, until};
use super::grant::{Grant, Scope};
use super::listing::{Known, RunEntry, entries};
use super::samples::Sample;
use super::server::Server;
use super::source::Run;
use crate::api::history::UnfinishedLine;
use crate::api::version::OURS;
use crate::figures::Figures;
use crate::model::ProcName;
use crate::model::request::{ProcessState, State};
use crate::sys::clock;

/// The shortest time between two frames with the head of the journal.
const HEAD_INTERVAL: Duration = Duration::from_millis(50);
/// How often a silent page is asked whether it is there.
const PING: Duration = Duration::from_secs(25);
/// A page that takes nothing for so long is gone.
const GONE: Duration = Duration::from_secs(60);

/// What a page says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Said {
    Watch {
        run: Option<String>,
    },
    Visible {
        visible: bool,
    },
    #[serde(other)]
    Other,
}

/// What a page is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Frame<'a> {
    Hello {
        version: &'a str,
        role: &'a str,
        /// Who has logged in with a password.
        user: Option<String>,
        /// Whether only some processes of a run may be seen.
        is_limited: bool,
        /// When the session ends, if that is limited.
        until: Option<String>,
        time: String,
    },
    Runs {
        runs: &'a [RunEntry],
    },
    State {
        run: &'a str,
        state: &'a State,
    },
    Process {
        run: &'a str,
        process: &'a ProcessState,
    },
    Head {
        run: &'a str,
        records: u64,
    },
    Unfinished {
        run: &'a str,
        lines: &'a [UnfinishedLine],
    },
    Figures {
        run: &'a str,
        number: u64,
        processes: &'a [Figures],
    },
    End {
        run: &'a str,
    },
    Gone {
        run: &'a str,
    },
    Bye {
        why: &'a str,
    },
}

/// The page is gone.
struct Left;

/// What a page has been told of the run that it watches.
struct Watched {
    run: Arc<Run>,
    seen: watch::Receiver<Seen>,
    state: Option<Arc<State>>,
    processes: HashMap<String, Arc<ProcessState>>,
    records: Option<u64>,
    unfinished: Arc<Vec<UnfinishedLine>>,
    sample: Arc<Sample>,
    link: Link,
}

impl Watched {
    fn new(run: Arc<Run>) -> Self {
        let mut seen = run.follow();
        seen.mark_changed();
        Self {
            run,
            seen,
            state: None,
            processes: HashMap::new(),
            records: None,
            unfinished: Arc::default(),
            sample: Arc::default(),
            link: Link::Unknown,
        }
    }

    /// The frames about what differs from what the page was told before, of what it may see.
    fn news(&mut self, scope: &Scope, is_visible: bool) -> Vec<String> {
        let mut seen = self.seen.borrow_and_update().clone();
        let id = self.run.known.id.clone();
        let may_see = |name: &ProcName| scope.has_process(name.as_str());
        seen.processes.retain(|process| may_see(&process.name));
        let mut frames = vec![];
        let is_same = match (&self.state, &seen.state) {
            (Some(told), Some(now)) => Arc::ptr_eq(told, now),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        // After an absence everything is told again.
        let is_back = (self.link, seen.link) == (Link::Gone, Link::Up);
        if let (true, Some(state)) = (!is_same || is_back, &seen.state) {
            let processes = seen.processes.iter().map(|process| (**process).clone()).collect();
            let state = scope.of_state(State { processes, ..(**state).clone() });
            frames.push(text(&Frame::State { run: &id, state: &state }));
            self.state.clone_from(&seen.state);
        } else {
            for process in &seen.processes {
                let told = self.processes.get(process.name.as_str());
                if told.is_none_or(|told| !Arc::ptr_eq(told, process)) {
                    let process = scope.of_process((**process).clone());
                    frames.push(text(&Frame::Process { run: &id, process: &process }));
                }
            }
        }
        let named = |process: Arc<ProcessState>| (process.name.to_string(), process);
        self.processes = seen.processes.into_iter().map(named).collect();
        if !Arc::ptr_eq(&self.unfinished, &seen.unfinished) {
            let lines = seen.unfinished.iter().filter(|line| may_see(&line.name));
            let lines: Vec<_> = lines.cloned().collect();
            frames.push(text(&Frame::Unfinished { run: &id, lines: &lines }));
            self.unfinished = seen.unfinished;
        }
        // A page that can be seen again fetches what it has missed.
        if is_visible && self.sample.number != seen.sample.number {
            let (number, all) = (seen.sample.number, &seen.sample.figures);
            let processes: Vec<_> = all.iter().filter(|one| may_see(&one.name)).cloned().collect();
            frames.push(text(&Frame::Figures { run: &id, number, processes: &processes }));
            self.sample = seen.sample;
        }
        match seen.link {
            link if link == self.link => {}
            Link::Gone => frames.push(text(&Frame::Gone { run: &id })),
            Link::Over => frames.push(text(&Frame::End { run: &id })),
            Link::Up | Link::Unknown => {}
        }
        self.link = seen.link;
        frames.into_iter().flatten().collect()
    }
}

/// A page.
pub(super) struct Page {
    socket: WebSocket,
    server: Arc<Server>,
    session: String,
    grant: Grant,
    is_visible: bool,
    watched: Option<Watched>,
    /// The runs, while the page can be seen.
    listing: Option<watch::Receiver<Known>>,
    runs: Vec<RunEntry>,
    next_head: Instant,
}

impl Page {
    /// The page at the other end of this socket.
    pub(super) fn new(
        socket: WebSocket,
        server: Arc<Server>,
        (session, grant): (String, Grant),
    ) -> Self {
        let listing = Some(server.runs.follow());
        let (watched, runs, next_head) = (None, vec![], Instant::now());
        Self { socket, server, session, grant, is_visible: true, watched, listing, runs, next_head }
    }

    /// Serve it until it leaves.
    pub(super) async fn serve(mut self) {
        // A page that leaves just leaves.
        let _ = self.talk().await;
    }

    async fn talk(&mut self) -> Result<(), Left> {
        let time = clock::now().to_string();
        let role = self.grant.role;
        let is_limited = self.grant.scope.names().is_some();
        let (version, role) = (OURS, role.word());
        let user = self.server.user_of(&self.session);
        let end = self.grant.until.map(|time| time.to_string());
        self.tell(&Frame::Hello { version, role, user, is_limited, until: end, time }).await?;
        // At first a page has not told yet whether it is visible.
        let mut ping = interval_at(Instant::now() + PING, PING);
        let mut closing = self.server.closing.subscribe();
        loop {
            let head_due = self.has_head().then_some(self.next_head);
            tokio::select! {
                said = self.socket.recv() => self.hear(said).await?,
                changed = changed(&mut self.watched) => {
                    if changed { self.tell_changes().await?; } else { self.watched = None; }
                }
                () = until(head_due) => self.tell_head().await?,
                () = listed(&mut self.listing) => self.tell_runs().await?,
                _ = ping.tick() => {
                    if self.is_visible && !self.server.renew(&self.session) {
                        return Err(Left);
                    }
                    self.send(Message::Ping(vec![].into())).await?;
                }
                why = closed(&mut closing) => return self.tell(&Frame::Bye { why: why.word() }).await,
            }
        }
    }

    async fn hear(&mut self, said: Option<Result<Message, axum::Error>>) -> Result<(), Left> {
        let text = match said {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => return Ok(()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Left),
        };
        match serde_json::from_str(&text) {
            Ok(Said::Watch { run }) => {
                self.watched = None;
                if let Some(id) = run.filter(|id| self.grant.scope.has_run(id)) {
                    self.watch(&id).await;
                }
            }
            Ok(Said::Visible { visible }) => {
                self.is_visible = visible;
                self.listing = visible.then(|| self.server.runs.follow());
                if visible {
                    self.server.renew(&self.session);
                }
            }
            Ok(Said::Other) | Err(_) => {}
        }
        Ok(())
    }

    async fn watch(&mut self, id: &str) {
        if let Ok(Some(run)) = self.server.runs.get(id).await {
            self.watched = Some(Watched::new(run));
        }
    }

    fn has_head(&self) -> bool {
        let new = |watched: &Watched| {
            let records = watched.seen.borrow().records;
            records > 0 && watched.records != Some(records)
        };
        self.is_visible && self.watched.as_ref().is_some_and(new)
    }

    async fn tell_head(&mut self) -> Result<(), Left> {
        let Some(watched) = &mut self.watched else { return Ok(()) };
        let (records, run) = (watched.seen.borrow().records, watched.run.known.id.clone());
        watched.records = Some(records);
        self.next_head = Instant::now() + HEAD_INTERVAL;
        self.tell(&Frame::Head { run: &run, records }).await
    }

    async fn tell_runs(&mut self) -> Result<(), Left> {
        let Some(listing) = &mut self.listing else { return Ok(()) };
        let all = Arc::clone(&listing.borrow_and_update());
        // Another run of the project that is watched has begun.
        if let Some(known) = self.watched.as_ref().map(|watched| &watched.run.known)
            && let Some(now) = all.iter().find(|run| run.id == known.id)
            && now.run().is_some_and(|now| known.run() != Some(now))
        {
            self.watch(&now.id).await;
        }
        let runs = entries(&all, &self.grant.scope);
        if runs == self.runs {
            return Ok(());
        }
        self.runs.clone_from(&runs);
        self.tell(&Frame::Runs { runs: &runs }).await
    }

    /// Tell what differs from what was told before.
    async fn tell_changes(&mut self) -> Result<(), Left> {
        let Some(watched) = &mut self.watched else { return Ok(()) };
        for text in watched.news(&self.grant.scope, self.is_visible) {
            self.send(Message::Text(text.into())).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, frame: &Frame<'_>) -> Result<(), Left> {
        match text(frame) {
            Some(text) => self.send(Message::Text(text.into())).await,
            None => Ok(()),
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), Left> {
        match timeout(GONE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Left),
        }
    }
}

fn text(frame: &Frame<'_>) -> Option<String> {
    let text = serde_json::to_string(frame);
    text.inspect_err(|error| tracing::warn!("a frame has no JSON form: {error}")).ok()
}

/// Returns when something has changed in the run; false if it is not followed any more.
async fn changed(watched: &mut Option<Watched>) -> bool {
    match watched {
        Some(watched) => watched.seen.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}

/// Returns when the list of runs has changed; never for a page that can't be seen.
async fn listed(listing: &mut Option<watch::Receiver<Known>>) {
    let is_changed = match listing {
        Some(listing) => listing.changed().await.is_ok(),
        None => false,
    };
    if !is_changed {
        std::future::pending::<()>().await;
    }
}
