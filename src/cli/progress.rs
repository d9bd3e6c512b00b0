//! Shows progress on a terminal while an operation takes long. A pipe does not see it.

use std::cell::RefCell;
use std::io::{IsTerminal as _, Write as _, stderr};
use std::iter::Cycle;
use std::str::Chars;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::model::text::cut;
use crate::view::screen;

/// Shorter operations show nothing.
const MOMENT: Duration = Duration::from_millis(300);

/// After this much more time details are shown.
const LONGER: Duration = Duration::from_millis(700);

/// The interval of the spinner's frames.
const TURN: Duration = Duration::from_millis(120);

/// Show progress while a blocking operation runs.
pub(super) fn while_blocked<T>(words: &'static str, work: impl FnOnce() -> T) -> T {
    let (over, is_over) = channel::<()>();
    let show = move || {
        if is_over.recv_timeout(MOMENT) == Err(RecvTimeoutError::Timeout) {
            let mut spinner = Spinner::new();
            // Nothing is ever sent: the channel closes when the work is done.
            while spinner.is_seen && is_over.recv_timeout(TURN) == Err(RecvTimeoutError::Timeout) {
                spinner.turn(words);
            }
        }
    };
    // If no thread can be created, nothing is shown.
    let shown = std::thread::Builder::new().name("progress".into()).spawn(show).ok();
    let done = work();
    drop(over);
    // Wait, so that the spinner does not erase subsequent output.
    let _ = shown.map(JoinHandle::join);
    done
}

/// Show progress while a future runs.
pub(super) async fn with_progress<T>(words: &'static str, work: impl Future<Output = T>) -> T {
    with_details(words, work, async || None).await
}

/// Show progress while a future runs. After a second `look` supplies details, and the time of the next
/// look.
pub(super) async fn with_details<T>(
    words: &'static str,
    work: impl Future<Output = T>,
    look: impl AsyncFn() -> Option<(String, Duration)>,
) -> T {
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(MOMENT, &mut work).await {
        return done;
    }
    let said = RefCell::new(words.to_owned());
    let mut spinner = Spinner::new();
    let is_seen = spinner.is_seen;
    let details = async {
        // Query only if it takes long.
        tokio::time::sleep(LONGER).await;
        while is_seen && let Some((details, again)) = look().await {
            said.replace(format!("{words}: {details}"));
            // `look` returns when its answer may change, as changes are not announced.
            tokio::time::sleep(again).await;
        }
        std::future::pending().await
    };
    let turn = async {
        if !is_seen {
            std::future::pending::<()>().await;
        }
        loop {
            // Drives the spinner.
            tokio::time::sleep(TURN).await;
            spinner.turn(&said.borrow());
        }
    };
    tokio::select! {
        done = &mut work => done,
        never = details => never,
        never = turn => never,
    }
}

/// A line on a terminal that shows that something goes on; erased on drop.
struct Spinner {
    is_seen: bool,
    since: Instant,
    frames: Cycle<Chars<'static>>,
}

impl Spinner {
    fn new() -> Self {
        let frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏".chars().cycle();
        Self { is_seen: stderr().is_terminal(), since: Instant::now(), frames }
    }

    /// Show the next frame, with these words.
    fn turn(&mut self, words: &str) {
        let columns = screen::window_size(stderr()).map_or(80, |(columns, _)| columns);
        let frame = self.frames.next().unwrap_or_default();
        let line = format!("{frame} {words} ({} s)", self.since.elapsed().as_secs());
        // A line that wraps could not be erased. If the terminal is gone, nobody misses it.
        let _ = write!(stderr(), "\r{}\x1b[K", cut(&line, usize::from(columns).saturating_sub(2)));
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if self.is_seen {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
