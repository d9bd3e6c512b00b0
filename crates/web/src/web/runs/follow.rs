//! Follows a run for all pages that show it: its states, the head of its journal, and the figures of its processes.

use std::future::pending;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::future::OptionFuture;
use tokio::sync::watch;
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use crate::client::{Backoff, Client, ClientError, HeadEvent, LONGEST_PAUSE, WatchEvent};
use crate::journal::history::UnfinishedLine;
use crate::journal::search::access::RunHistory;
use crate::model::request::{Head, Partial};
use crate::model::state::{ProcessState, State};
use crate::model::terminal::unfinished::PromptTimer;
use crate::run::registry::KnownRun;
use crate::web::locked;
use crate::web::runs::samples::{SECOND, Sample, Samples};
use crate::web::runs::{of_ended, state};

/// A supervisor that does not answer for this long is away.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most heads of a journal that are skipped in favour of a newer one.
const MOST_SKIPPED: usize = 1000;

/// Whether the supervisor answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Link {
    /// Not known yet.
    #[default]
    Unknown,
    /// It answers.
    Up,
    /// It does not answer; another one may take over.
    Gone,
    /// The run is over.
    Over,
}

/// The known state of a run. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Whether its supervisor answers.
    pub(crate) link: Link,
    /// The state without its processes.
    pub(crate) state: Option<Arc<State>>,
    pub(crate) processes: Vec<Arc<ProcessState>>,
    /// The number of records in its journal.
    pub(crate) records: u64,
    /// Counts the changes of the journal's head.
    pub(crate) heads: u64,
    /// The unfinished lines of processes that have been silent since.
    pub(crate) unfinished: Arc<Vec<UnfinishedLine>>,
    /// The last sample of the processes' resource use.
    pub(crate) sample: Arc<Sample>,
}

impl Seen {
    fn take_state(&mut self, mut state: State) {
        let mut processes = std::mem::take(&mut state.processes);
        processes.append(&mut state.left_out);
        self.link = Link::Up;
        self.state = Some(Arc::new(state));
        self.processes = processes.into_iter().map(Arc::new).collect();
    }

    fn take_process(&mut self, process: ProcessState) {
        if let Some(known) = self.processes.iter_mut().find(|known| known.name == process.name) {
            *known = Arc::new(process);
        }
    }

    fn take_head(&mut self, head: &Head) {
        self.records = head.records;
        self.heads = self.heads.wrapping_add(1);
        let goes_on = |line: &UnfinishedLine| {
            head.partials
                .iter()
                .any(|now| (now.stream, now.start) == (line.place.stream, line.place.start))
        };
        if !self.unfinished.iter().all(goes_on) {
            Arc::make_mut(&mut self.unfinished).retain(goes_on);
        }
    }

    fn take_unfinished(&mut self, lines: Vec<UnfinishedLine>) {
        let unfinished = Arc::make_mut(&mut self.unfinished);
        unfinished.retain(|old| lines.iter().all(|line| line.place.stream != old.place.stream));
        unfinished.extend(lines);
        unfinished.sort_by_key(|line| line.place.stream);
    }
}

/// The task that follows a run.
pub(crate) struct Follow {
    pub(crate) known: KnownRun,
    pub(crate) history: Arc<RunHistory>,
    pub(crate) samples: Arc<Samples>,
    pub(crate) seen: Arc<watch::Sender<Seen>>,
}

impl Follow {
    /// Follow this run. The last state of a run that is over stays available.
    pub(crate) async fn follow_run(self) {
        tokio::join!(self.follow_states(), self.sample());
        pending::<()>().await;
    }

    async fn follow_states(&self) {
        let Some(socket) = self.known.socket() else {
            return self.end().await;
        };
        let mut backoff = Backoff::up_to(LONGEST_PAUSE);
        loop {
            let begun = Instant::now();
            let connected = timeout(PATIENCE, Client::connect(&*socket)).await;
            if let Ok(Ok(client)) = connected
                && self.listen(&client.only_of(self.known.run())).await
            {
                return self.end().await;
            }
            self.seen.send_if_modified(|seen| {
                std::mem::replace(&mut seen.link, Link::Gone) != Link::Gone
            });
            if begun.elapsed() > LONGEST_PAUSE {
                backoff.reset();
            }
            backoff.wait().await;
            if !self.known.runtime.as_ref().is_some_and(|dir| dir.plan_file().exists()) {
                return self.end().await;
            }
        }
    }

    /// The run is over. Its last state is in its files if they have its end; without it (a full disk, an end by force),
    /// they show what nobody has told.
    async fn end(&self) {
        let mut last = of_ended(self.known.clone()).await;
        let is_told = self.seen.borrow().state.as_ref().is_some_and(|state| state.quitting);
        if last.is_none() && !is_told {
            last = state(&KnownRun { runtime: None, ..self.known.clone() }).await.ok();
        }
        self.seen.send_modify(|seen| {
            if let Some(state) = last {
                seen.take_state(state);
            }
            seen.link = Link::Over;
        });
    }

    /// Take the events of a supervisor until the connection ends; true if the run is over.
    async fn listen(&self, client: &Client) -> bool {
        let mut newest = None;
        let is_over = self.take_events(client, &mut newest).await;
        self.take_head(&mut newest);
        is_over
    }

    fn take_head(&self, newest: &mut Option<Head>) {
        if let Some(head) = newest.take() {
            self.seen.send_modify(|seen| seen.take_head(&head));
        }
    }

    /// Each change wakes all pages, which takes long if there are many. So of the heads that have arrived, they are told
    /// only the newest; `newest` has one that they have not been told yet.
    async fn take_events(&self, client: &Client, newest: &mut Option<Head>) -> bool {
        let opened =
            async { Ok::<_, ClientError>((client.watch().await?, client.head(false).await?)) };
        let Ok(Ok((mut states, mut heads))) = timeout(PATIENCE, opened).await else { return false };
        let mut prompts = PromptTimer::default();
        let mut skipped = 0;
        loop {
            let due = prompts.next();
            tokio::select! {
                biased;
                event = states.next() => match event {
                    Some(Ok(WatchEvent::State(mut state))) => {
                        state.title = self.known.title().into();
                        self.seen.send_modify(|seen| seen.take_state(*state));
                    }
                    Some(Ok(WatchEvent::Process(process))) => {
                        self.seen.send_modify(|seen| seen.take_process(*process));
                    }
                    Some(Ok(WatchEvent::End)) => return true,
                    Some(Err(_)) | None => return false,
                },
                event = heads.next(), if skipped < MOST_SKIPPED => match event {
                    Some(Ok(HeadEvent::Head(head))) => {
                        prompts.update(&head.partials, Instant::now());
                        skipped += 1;
                        *newest = Some(head);
                    }
                    Some(Ok(HeadEvent::End(_))) => return true,
                    Some(Ok(HeadEvent::Leave)) => {}
                    Some(Err(_)) | None => return false,
                },
                Some(()) = OptionFuture::from(due.map(sleep_until)) => {
                    self.read_unfinished(prompts.take_due(Instant::now())).await;
                }
                // Another head would have been ready first.
                () = yield_now(), if newest.is_some() => {
                    skipped = 0;
                    self.take_head(newest);
                }
            }
        }
    }

    async fn read_unfinished(&self, lines: Vec<Partial>) {
        let history = Arc::clone(&self.history);
        match spawn_blocking(move || history.unfinished(&lines)).await {
            Ok(Ok(lines)) => self.seen.send_modify(|seen| seen.take_unfinished(lines)),
            Ok(Err(error)) => tracing::warn!("unfinished lines can't be read: {error}"),
            Err(_) => {}
        }
    }

    async fn sample(&self) {
        if !self.known.is_sampled() {
            return;
        }
        let mut seconds = interval(SECOND);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            seconds.tick().await;
            if self.seen.borrow().link == Link::Over {
                return;
            }
            let processes: Vec<ProcessState> =
                self.seen.borrow().processes.iter().map(|process| (**process).clone()).collect();
            if processes.iter().any(|process| process.pid.is_some()) {
                let Some(sample) = self.samples.take(processes).await else { return };
                self.seen.send_modify(|seen| seen.sample = Arc::new(sample));
            }
        }
    }
}

/// A value that is shared by all who follow it.
#[derive(Debug, Default)]
pub(crate) struct Shared<T>(Mutex<Weak<watch::Sender<T>>>);

impl<T: Default + Send + Sync + 'static> Shared<T> {
    /// Follow the value. Unless somebody does already, `begin` makes the task that updates it, which ends with the last
    /// receiver.
    pub(crate) fn follow<F: Future<Output = ()> + Send + 'static>(
        &self,
        begin: impl FnOnce(Arc<watch::Sender<T>>) -> F,
    ) -> watch::Receiver<T> {
        let mut shared = locked(&self.0);
        if let Some(sender) = shared.upgrade() {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(T::default());
        let sender = Arc::new(sender);
        *shared = Arc::downgrade(&sender);
        let update = begin(Arc::clone(&sender));
        tokio::spawn(async move {
            tokio::select! {
                () = sender.closed() => {}
                () = update => {}
            }
        });
        receiver
    }
}
