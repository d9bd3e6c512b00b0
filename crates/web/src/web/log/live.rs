//! The WebSocket of a page, which sends the changes in the run that the page shows.
//!
//! A frame is created only after the page has accepted the previous one, and always from the latest values. A page
//! that is slow, hidden or stopped therefore costs only its socket, and delays no other page.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::future::OptionFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, interval_at, sleep_until};

use crate::api::version::OURS;
use crate::figures::Figures;
use crate::journal::history::UnfinishedLine;
use crate::model::state::{ProcessState, State};
use crate::model::{Condition, ProcName};
use crate::sys::clock;
use crate::web::access::{Grant, ProvenSession, Scope};
use crate::web::fleet::{FleetHosts, HostEntry};
use crate::web::runs::{Link, Run, RunEntry, RunList, Seen, entries};
use crate::web::server::{Server, closed};
use crate::web::terminal::socket::deliver;

/// The shortest time between two frames with the head of the journal.
const HEAD_INTERVAL: Duration = Duration::from_millis(50);

/// The time between two signs of life. The page misses them after some more of it.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// A message from a page.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum PageMessage {
    Watch {
        run: Option<String>,
    },
    Visible {
        visible: bool,
    },
    #[serde(other)]
    Other,
}

/// A message to a page.
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
    /// The hosts of a fleet. Their runs come by a WebSocket for each host.
    Hosts {
        hosts: &'a [HostEntry],
    },
    State {
        run: &'a str,
        /// Without its processes.
        state: &'a State,
        processes: Vec<ShownProcess>,
    },
    Process {
        run: &'a str,
        process: &'a ShownProcess,
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
    /// The server works.
    Heartbeat,
}

/// The state of a process, with what the page shows and offers for it.
#[derive(Debug, Serialize)]
struct ShownProcess {
    #[serde(flatten)]
    state: ProcessState,
    condition: Condition,
    failed: bool,
    can_start: bool,
    can_stop: bool,
}

impl ShownProcess {
    fn new(process: &ProcessState, scope: &Scope) -> Self {
        Self {
            condition: process.condition(),
            failed: process.has_failed(),
            can_start: process.can_start(),
            can_stop: !process.rests(),
            state: scope.of_process(process.clone()),
        }
    }
}

/// The page is gone.
struct Left;

/// The watched run.
struct Watched {
    run: Arc<Run>,
    seen: watch::Receiver<Seen>,
    /// What was last sent to the page, except for the head.
    sent: Seen,
    /// The number of records in the head that was last sent.
    records: Option<u64>,
}

impl Watched {
    fn new(run: Arc<Run>) -> Self {
        let mut seen = run.follow();
        seen.mark_changed();
        Self { run, seen, sent: Seen::default(), records: None }
    }

    /// The frames for everything that has changed since the last frames and that the page may see.
    fn frames(&mut self, scope: &Scope, is_visible: bool) -> Vec<String> {
        let mut seen = self.seen.borrow_and_update().clone();
        let id = self.run.known.id.clone();
        let may_see = |name: &ProcName| scope.has_process(name.as_str());
        seen.processes.retain(|process| may_see(&process.name));
        let mut frames = vec![];
        let [sent, now] = [&self.sent, &seen].map(|seen| seen.state.as_ref().map(Arc::as_ptr));
        // After an absence of the supervisor, everything is sent again.
        let is_back = (self.sent.link, seen.link) == (Link::Gone, Link::Up);
        if let (true, Some(state)) = (sent != now || is_back, &seen.state) {
            let processes =
                seen.processes.iter().map(|one| ShownProcess::new(one, scope)).collect();
            let shown = scope.of_state((**state).clone());
            frames.push(text(&Frame::State { run: &id, state: &shown, processes }));
        } else {
            for process in &seen.processes {
                if !self.sent.processes.iter().any(|sent| Arc::ptr_eq(sent, process)) {
                    let process = ShownProcess::new(process, scope);
                    frames.push(text(&Frame::Process { run: &id, process: &process }));
                }
            }
        }
        if !Arc::ptr_eq(&self.sent.unfinished, &seen.unfinished) {
            let lines = seen.unfinished.iter().filter(|line| may_see(&line.name));
            let lines: Vec<_> = lines.cloned().collect();
            frames.push(text(&Frame::Unfinished { run: &id, lines: &lines }));
        }
        // A hidden page gets no samples. When it becomes visible, it fetches the missing ones.
        if !is_visible {
            seen.sample = Arc::clone(&self.sent.sample);
        }
        if self.sent.sample.number != seen.sample.number {
            let (number, all) = (seen.sample.number, &seen.sample.figures);
            let processes: Vec<_> = all.iter().filter(|one| may_see(&one.name)).cloned().collect();
            frames.push(text(&Frame::Figures { run: &id, number, processes: &processes }));
        }
        match seen.link {
            link if link == self.sent.link => {}
            Link::Gone => frames.push(text(&Frame::Gone { run: &id })),
            Link::Over => frames.push(text(&Frame::End { run: &id })),
            Link::Up | Link::Unknown => {}
        }
        self.sent = seen;
        frames.into_iter().flatten().collect()
    }
}

pub(crate) struct PageConnection {
    socket: WebSocket,
    server: Arc<Server>,
    session: String,
    grant: Grant,
    is_visible: bool,
    watched: Option<Watched>,
    /// The runs, while the page is visible.
    listing: Option<watch::Receiver<RunList>>,
    runs: Vec<RunEntry>,
    /// The hosts of the fleet, for a page that shows them.
    hosts: Option<watch::Receiver<Vec<HostEntry>>>,
    next_head: Instant,
}

impl PageConnection {
    /// The page at this socket.
    pub(crate) fn new(
        socket: WebSocket,
        server: Arc<Server>,
        ProvenSession { id: session, grant }: ProvenSession,
    ) -> Self {
        let listing = Some(server.runs.follow());
        let fleet = server.fleet.as_ref().filter(|_| grant.scope.names().is_none());
        let hosts = fleet.map(FleetHosts::follow);
        let (watched, runs, next_head) = (None, vec![], Instant::now());
        let is_visible = true;
        Self {
            socket,
            server,
            session,
            grant,
            is_visible,
            watched,
            listing,
            runs,
            hosts,
            next_head,
        }
    }

    /// Serve it until it leaves.
    pub(crate) async fn serve(mut self) {
        // The only error is that the page has left.
        let _ = self.exchange().await;
    }

    async fn exchange(&mut self) -> Result<(), Left> {
        let time = clock::now().to_string();
        let role = self.grant.role;
        let is_limited = self.grant.scope.names().is_some();
        let (version, role) = (OURS, role.word());
        let user = self.server.user_of(&self.session);
        let end = self.grant.until.map(|time| time.to_string());
        self.send_frame(&Frame::Hello { version, role, user, is_limited, until: end, time })
            .await?;
        // The page has not reported yet whether it is visible.
        let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        let mut closing = self.server.closing.subscribe();
        loop {
            let head_due = self.has_head().then_some(self.next_head);
            let changed = self.watched.as_mut().map(|watched| watched.seen.changed());
            let listed = self.listing.as_mut().map(watch::Receiver::changed);
            let hosts_changed = self.hosts.as_mut().map(watch::Receiver::changed);
            tokio::select! {
                received = self.socket.recv() => self.handle(received).await?,
                Some(changed) = OptionFuture::from(changed) => match changed {
                    Ok(()) => self.send_changes().await?,
                    // The run is no longer followed.
                    Err(_) => self.watched = None,
                },
                Some(()) = OptionFuture::from(head_due.map(sleep_until)) => self.send_head().await?,
                Some(Ok(())) = OptionFuture::from(listed) => self.send_runs().await?,
                Some(Ok(())) = OptionFuture::from(hosts_changed) => self.send_hosts().await?,
                _ = heartbeat.tick() => {
                    if self.is_visible && !self.server.renew(&self.session) {
                        return Err(Left);
                    }
                    self.send_frame(&Frame::Heartbeat).await?;
                }
                why = closed(&mut closing) => return self.send_frame(&Frame::Bye { why: why.word() }).await,
            }
        }
    }

    async fn handle(&mut self, received: Option<Result<Message, axum::Error>>) -> Result<(), Left> {
        let text = match received {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => return Ok(()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Left),
        };
        match serde_json::from_str(&text) {
            Ok(PageMessage::Watch { run }) => {
                self.watched = None;
                if let Some(id) = run.filter(|id| self.grant.scope.has_run(id)) {
                    self.watch(&id).await;
                }
            }
            Ok(PageMessage::Visible { visible }) => {
                self.is_visible = visible;
                self.listing = visible.then(|| self.server.runs.follow());
                if visible {
                    self.server.renew(&self.session);
                }
            }
            Ok(PageMessage::Other) | Err(_) => {}
        }
        Ok(())
    }

    async fn watch(&mut self, id: &str) {
        if let Ok(Some(run)) = self.server.runs.get(id).await {
            self.watched = Some(Watched::new(run));
        }
    }

    fn has_head(&self) -> bool {
        self.is_visible
            && self.watched.as_ref().is_some_and(|watched| {
                let records = watched.seen.borrow().records;
                records > 0 && watched.records != Some(records)
            })
    }

    async fn send_head(&mut self) -> Result<(), Left> {
        let Some(watched) = &mut self.watched else { return Ok(()) };
        let (records, run) = (watched.seen.borrow().records, watched.run.known.id.clone());
        watched.records = Some(records);
        self.next_head = Instant::now() + HEAD_INTERVAL;
        self.send_frame(&Frame::Head { run: &run, records }).await
    }

    async fn send_runs(&mut self) -> Result<(), Left> {
        let Some(listing) = &mut self.listing else { return Ok(()) };
        let all = Arc::clone(&listing.borrow_and_update());
        // The watched project has started another run.
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
        self.send_frame(&Frame::Runs { runs: &runs }).await
    }

    async fn send_hosts(&mut self) -> Result<(), Left> {
        let Some(hosts) = &mut self.hosts else { return Ok(()) };
        let hosts = hosts.borrow_and_update().clone();
        self.send_frame(&Frame::Hosts { hosts: &hosts }).await
    }

    /// Send everything that has changed since the last frames.
    async fn send_changes(&mut self) -> Result<(), Left> {
        let Some(watched) = &mut self.watched else { return Ok(()) };
        for text in watched.frames(&self.grant.scope, self.is_visible) {
            self.send(Message::Text(text.into())).await?;
        }
        Ok(())
    }

    async fn send_frame(&mut self, frame: &Frame<'_>) -> Result<(), Left> {
        match text(frame) {
            Some(text) => self.send(Message::Text(text.into())).await,
            None => Ok(()),
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), Left> {
        if deliver(&mut self.socket, message).await { Ok(()) } else { Err(Left) }
    }
}

fn text(frame: &Frame<'_>) -> Option<String> {
    let text = serde_json::to_string(frame);
    text.inspect_err(|error| tracing::warn!("a frame has no JSON form: {error}")).ok()
}
