//! The screens of terminals, for pages that only watch.
//!
//! A watching page is not a client of tmux: a client would change the size of the pane, and its keys could reach the
//! process. Instead, the server captures the screen after output of the process, at most five times a second and once
//! for all pages.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use tokio::sync::watch;
use tokio::time::{interval, sleep};

use crate::model::ProcName;
use crate::model::state::ProcessState;
use crate::web::locked;
use crate::web::runs::{Link, Run, Seen, Shared, exactly};
use crate::web::terminal::socket::{
    PING, RUN_OVER, SCREEN, Status, deliver, end, message, send, send_status,
};

/// The shortest time between two captures.
const INTERVAL: Duration = Duration::from_millis(200);
/// The number of captures after a typing page has joined, left or changed its size: tmux resizes the pane some time
/// later, without a notification.
const AFTER_TYPISTS: u8 = 5;

/// The terminal of a process, shared by all pages that show it.
#[derive(Debug)]
pub(crate) struct Terminal {
    pub(crate) run: Arc<Run>,
    pub(crate) name: ProcName,
    view: Shared<ScreenState>,
    typists: watch::Sender<Typists>,
}

/// The terminals that are shown on pages.
#[derive(Debug, Default)]
pub(crate) struct Terminals(Mutex<Vec<Weak<Terminal>>>);

impl Terminals {
    pub(crate) fn terminal_of(&self, run: &Arc<Run>, name: &ProcName) -> Arc<Terminal> {
        let mut all = locked(&self.0);
        all.retain(|terminal| terminal.strong_count() > 0);
        let is_it = |it: &Arc<Terminal>| Arc::ptr_eq(&it.run, run) && it.name == *name;
        all.iter().filter_map(Weak::upgrade).find(is_it).unwrap_or_else(|| {
            let terminal = Arc::new(Terminal {
                run: Arc::clone(run),
                name: name.clone(),
                view: Shared::default(),
                typists: watch::Sender::default(),
            });
            all.push(Arc::downgrade(&terminal));
            terminal
        })
    }
}

/// The pages that type into a terminal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Typists {
    /// The number of pages.
    pub(crate) count: usize,
    /// Counts how often a page has joined, left or changed its size.
    changes: u64,
}

/// The state of a screen. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum ScreenState {
    /// Not captured yet.
    #[default]
    Unknown,
    /// Columns and rows, and the message with the screen.
    Screen((u16, u16), Arc<[u8]>),
    /// Why the screen can't be captured now.
    Problem(String),
    /// The run is over.
    Over,
}

/// A typing page; dropped when the page leaves.
pub(crate) struct Typist(Arc<Terminal>);

impl Typist {
    /// Count a page that begins to type.
    pub(crate) fn new(terminal: &Arc<Terminal>) -> Self {
        terminal.change(|count| count + 1);
        Self(Arc::clone(terminal))
    }

    /// Note that its size has changed.
    pub(crate) fn resized(&self) {
        self.0.change(|count| count);
    }

    /// Follow the number of pages that type into the same terminal.
    pub(crate) fn all(&self) -> watch::Receiver<Typists> {
        self.0.typists.subscribe()
    }
}

impl Drop for Typist {
    fn drop(&mut self) {
        self.0.change(|count| count.saturating_sub(1));
    }
}

impl Terminal {
    fn change(&self, count: impl FnOnce(usize) -> usize) {
        self.typists.send_modify(|typists| {
            typists.count = count(typists.count);
            typists.changes = typists.changes.wrapping_add(1);
        });
    }

    /// Follow the screen for as long as the receiver exists.
    pub(crate) fn view(self: &Arc<Self>) -> watch::Receiver<ScreenState> {
        self.view.follow(|view| {
            let (seen, typists) = (self.run.follow(), self.typists.subscribe());
            Looking { terminal: Arc::clone(self), seen, typists }.serve(view)
        })
    }
}

/// The screen is captured when this differs from the last time.
#[derive(PartialEq)]
struct Occasion {
    printed: u64,
    process: Option<Arc<ProcessState>>,
    link: Link,
}

/// The task that captures a screen for all pages.
struct Looking {
    terminal: Arc<Terminal>,
    seen: watch::Receiver<Seen>,
    typists: watch::Receiver<Typists>,
}

impl Looking {
    async fn serve(mut self, view: Arc<watch::Sender<ScreenState>>) {
        let Terminal { run, name, .. } = &*self.terminal;
        let (mut last, mut heads, mut looks_left) = (None::<Occasion>, 0, 0_u8);
        loop {
            let seen = self.seen.borrow_and_update().clone();
            if seen.link == Link::Over {
                view.send_replace(ScreenState::Over);
                return;
            }
            let printed = match &last {
                Some(last) if heads == seen.heads => last.printed,
                // If the journal can't be read, assume new output.
                Some(_) | None => {
                    let name = name.clone();
                    let printed = run.read_history(move |history| history.printed(&name)).await;
                    printed.unwrap_or(seen.heads)
                }
            };
            heads = seen.heads;
            let process = seen.processes.into_iter().find(|process| process.name == *name);
            let occasion = Some(Occasion { printed, process, link: seen.link });
            if looks_left > 0 || last != occasion {
                looks_left = looks_left.saturating_sub(1);
                last = occasion;
                let now = self.captured().await;
                view.send_if_modified(|shown| {
                    *shown != now && {
                        *shown = now;
                        true
                    }
                });
                sleep(INTERVAL).await;
            }
            let is_settling = looks_left > 0;
            tokio::select! {
                biased;
                changed = self.typists.changed() => match changed {
                    Ok(()) => looks_left = AFTER_TYPISTS,
                    Err(_) => return,
                },
                () = std::future::ready(()), if is_settling => {}
                changed = self.seen.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn captured(&self) -> ScreenState {
        let Terminal { run, name, .. } = &*self.terminal;
        let answer = match run.client().await {
            Some(Ok(client)) => client.whole_screen(&exactly(name.as_str())).await,
            Some(Err(error)) => Err(error),
            None => return ScreenState::Over,
        };
        let shown = answer.map_err(|error| error.to_string()).and_then(|screen| {
            let json = serde_json::to_vec(&screen).map_err(|error| error.to_string())?;
            Ok(ScreenState::Screen((screen.columns, screen.rows), message(SCREEN, &json).into()))
        });
        shown.unwrap_or_else(ScreenState::Problem)
    }
}

/// Send the newest screen to a page until one of them ends. Messages from the page are ignored. A limited session
/// gets no reasons of problems, which may name other processes.
pub(crate) async fn show(
    mut socket: WebSocket,
    mut view: watch::Receiver<ScreenState>,
    is_limited: bool,
) {
    let mut ping = interval(PING);
    view.mark_changed();
    loop {
        let is_there = tokio::select! {
            changed = view.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = view.borrow_and_update().clone();
                match now {
                    ScreenState::Unknown => true,
                    ScreenState::Screen(_, frame) => send(&mut socket, frame.to_vec()).await,
                    ScreenState::Problem(why) => {
                        let limited = "The screen is not available now.";
                        let why = if is_limited { limited.to_owned() } else { why };
                        send_status(&mut socket, &Status::Problem(why)).await
                    }
                    ScreenState::Over => return end(&mut socket, RUN_OVER).await,
                }
            }
            received = socket.recv() => match received {
                Some(Ok(Message::Close(_)) | Err(_)) | None => false,
                Some(Ok(_)) => true,
            },
            _ = ping.tick() => deliver(&mut socket, Message::Ping(vec![].into())).await,
        };
        if !is_there {
            return;
        }
    }
}
