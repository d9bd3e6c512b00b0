//! What terminals show, for the pages that look at them.
//!
//! A page that looks is no client of tmux: such a client would change the size of the pane, and keys could reach
//! the process. Instead, the screen is taken when the process has printed something, at most five times a second and
//! once for all pages.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use tokio::sync::watch;
use tokio::time::{Interval, interval, sleep};

use super::follow::{Link, Seen};
use super::run_api::exactly;
use super::source::Run;
use super::terminal::{PING, RUN_OVER, SCREEN, Status, ask_whether_there, end, message, say, send};
use crate::model::ProcName;
use crate::model::request::ProcessState;

/// The shortest time between two looks at a screen.
const INTERVAL: Duration = Duration::from_millis(200);
/// How often the screen is looked at after a page has come, gone or changed its size: tmux sets the size of the
/// pane some time later, and tells nobody.
const AFTER_TYPISTS: u8 = 5;

/// The terminal of a process, shared by all pages that show it.
#[derive(Debug)]
pub(super) struct Terminal {
    pub(super) run: Arc<Run>,
    pub(super) name: ProcName,
    view: Mutex<Weak<watch::Sender<View>>>,
    typists: watch::Sender<Typists>,
}

/// The terminals that pages show.
#[derive(Debug, Default)]
pub(super) struct Terminals(Mutex<Vec<Weak<Terminal>>>);

impl Terminals {
    /// The terminal of a process.
    pub(super) fn of(&self, run: &Arc<Run>, name: &ProcName) -> Arc<Terminal> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|terminal| terminal.strong_count() > 0);
        let is_it = |it: &Arc<Terminal>| Arc::ptr_eq(&it.run, run) && it.name == *name;
        all.iter().filter_map(Weak::upgrade).find(is_it).unwrap_or_else(|| {
            let terminal = Arc::new(Terminal {
                run: Arc::clone(run),
                name: name.clone(),
                view: Mutex::default(),
                typists: watch::Sender::default(),
            });
            all.push(Arc::downgrade(&terminal));
            terminal
        })
    }
}

/// The pages that type into a terminal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Typists {
    /// How many there are.
    pub(super) count: usize,
    /// How often one has come, gone or changed its size.
    changes: u64,
}

/// What is known of a screen. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum View {
    /// Nothing yet.
    #[default]
    Unknown,
    /// Columns and rows, and the message that shows it.
    Screen((u16, u16), Arc<[u8]>),
    /// Why it can't be seen now.
    Problem(String),
    /// The run is over.
    Over,
}

/// A page that types; dropped when it leaves.
pub(super) struct Typist(Arc<Terminal>);

impl Typist {
    /// A page begins to type.
    pub(super) fn new(terminal: &Arc<Terminal>) -> Self {
        terminal.change(|count| count + 1);
        Self(Arc::clone(terminal))
    }

    /// Its size has changed.
    pub(super) fn resized(&self) {
        self.0.change(|count| count);
    }

    /// All pages that type into the same terminal.
    pub(super) fn all(&self) -> watch::Receiver<Typists> {
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

    /// What it shows, for as long as the receiver is kept.
    pub(super) fn view(self: &Arc<Self>) -> watch::Receiver<View> {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = view.upgrade() {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(View::default());
        let sender = Arc::new(sender);
        *view = Arc::downgrade(&sender);
        let looking = Looking {
            run: Arc::clone(&self.run),
            name: self.name.clone(),
            seen: self.run.follow(),
            typists: self.typists.subscribe(),
        };
        let terminal = Arc::clone(self);
        tokio::spawn(async move {
            tokio::select! {
                () = sender.closed() => {}
                () = looking.serve(&sender) => {}
            }
            drop(terminal);
        });
        receiver
    }
}

/// What a screen is looked at for, if it differs from the last time.
#[derive(PartialEq)]
struct Occasion {
    printed: u64,
    process: Option<Arc<ProcessState>>,
    link: Link,
}

/// The task that looks at a screen for all pages.
struct Looking {
    run: Arc<Run>,
    name: ProcName,
    seen: watch::Receiver<Seen>,
    typists: watch::Receiver<Typists>,
}

impl Looking {
    async fn serve(mut self, view: &watch::Sender<View>) {
        let (mut last, mut heads, mut looks_left) = (None::<Occasion>, 0, 0_u8);
        loop {
            let seen = self.seen.borrow_and_update().clone();
            if seen.link == Link::Over {
                view.send_replace(View::Over);
                return;
            }
            let printed = match &last {
                Some(last) if heads == seen.heads => last.printed,
                // A journal that can't be read can't tell that nothing has changed.
                Some(_) | None => self.run.printed(&self.name).await.unwrap_or(seen.heads),
            };
            heads = seen.heads;
            let process = seen.processes.into_iter().find(|process| process.name == self.name);
            let occasion = Some(Occasion { printed, process, link: seen.link });
            if looks_left > 0 || last != occasion {
                looks_left = looks_left.saturating_sub(1);
                last = occasion;
                let now = self.look().await;
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

    async fn look(&self) -> View {
        let name = self.name.as_str();
        // A supervisor of an earlier version knows no `=`, which is needed only where there are more instances.
        let is_entry = self
            .seen
            .borrow()
            .processes
            .iter()
            .any(|other| other.name != self.name && other.name.entry() == name);
        let word = if is_entry { exactly(name) } else { name.to_owned() };
        let answer = match self.run.client().await {
            Some(Ok(client)) => client.whole_screen(&word).await,
            Some(Err(error)) => Err(error),
            None => return View::Over,
        };
        let screen = match answer {
            Ok(screen) => screen,
            Err(error) => return View::Problem(error.to_string()),
        };
        match serde_json::to_vec(&screen) {
            Ok(json) => View::Screen((screen.columns, screen.rows), message(SCREEN, &json).into()),
            Err(error) => View::Problem(error.to_string()),
        }
    }
}

/// Show the screen to a page, the newest only, until one of them ends. What the page says goes nowhere. A page that
/// `is_limited` is not told reasons, which may name other processes.
pub(super) async fn show(mut socket: WebSocket, mut view: watch::Receiver<View>, is_limited: bool) {
    let mut ping = interval(PING);
    loop {
        let now = view.borrow_and_update().clone();
        let is_sent = match now {
            View::Unknown => true,
            View::Screen(_, frame) => send(&mut socket, frame.to_vec()).await,
            View::Problem(why) => {
                let why = if is_limited { "It can't be seen now.".to_owned() } else { why };
                say(&mut socket, &Status { problem: Some(why), ..Status::default() }).await
            }
            View::Over => return end(&mut socket, RUN_OVER).await,
        };
        if !is_sent || !wait(&mut socket, &mut view, &mut ping).await {
            return;
        }
    }
}

/// Wait for something to show; false if the page is gone.
async fn wait(
    socket: &mut WebSocket,
    view: &mut watch::Receiver<View>,
    ping: &mut Interval,
) -> bool {
    loop {
        tokio::select! {
            changed = view.changed() => return changed.is_ok(),
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return false,
                Some(Ok(_)) => {}
            },
            _ = ping.tick() => if !ask_whether_there(socket).await { return false; },
        }
    }
}
