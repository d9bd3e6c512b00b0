//! Shows progress on a terminal while an operation takes long. Into a pipe, only what is awaited is printed,
//! once.

use std::io::Write as _;
use std::os::unix::fs::FileTypeExt as _;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::persona::Persona;

/// Shorter operations show nothing.
const MOMENT: Duration = Duration::from_millis(300);

/// After this much more time details are shown.
const LONGER: Duration = Duration::from_millis(1700);

/// The same where they are printed once.
const IN_PIPES: Duration = Duration::from_secs(10);

/// The interval of the spinner's frames.
const TURN: Duration = Duration::from_millis(120);

/// How often the details of a blocking operation are looked at.
const AGAIN: Duration = Duration::from_millis(500);

/// Show progress while a blocking operation runs; after two seconds with these details, in a pipe after ten.
pub(in crate::cli) fn while_blocked<T>(
    words: &'static str,
    details: impl Fn() -> Option<String> + Send,
    work: impl FnOnce() -> T,
) -> T {
    until_output(words, details, |_| work())
}

/// The same for work that prints. Before that it calls what it is given, which ends the show.
pub(in crate::cli) fn until_output<T>(
    words: &'static str,
    details: impl Fn() -> Option<String> + Send,
    work: impl FnOnce(&mut dyn FnMut()) -> T,
) -> T {
    let (over, is_over) = channel::<()>();
    // Nothing is ever sent: the channel closes when the work is done.
    let goes_on = move |time| is_over.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    let show = move || {
        if !goes_on(MOMENT) {
            return;
        }
        let line = ProgressLine::new(words);
        let mut look_at = Instant::now() + if line.is_visible() { LONGER } else { IN_PIPES };
        loop {
            let left = look_at.saturating_duration_since(Instant::now());
            if !goes_on(if line.is_visible() { TURN.min(left) } else { left }) {
                return;
            }
            line.turn();
            if Instant::now() < look_at {
                continue;
            }
            look_at = Instant::now() + AGAIN;
            if let Some(details) = details()
                && !line.detail(&details)
            {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        // If no thread can be created, nothing is shown.
        let thread = std::thread::Builder::new().name("progress".into()).spawn_scoped(scope, show);
        let mut shown = Some((over, thread));
        let mut end = || {
            if let Some((over, thread)) = shown.take() {
                drop(over);
                let _ = thread.map(std::thread::ScopedJoinHandle::join);
            }
        };
        let done = work(&mut end);
        end();
        done
    })
}

/// Show progress of a search whose results go to standard output, unless that is a pipe: into a pager, for example,
/// which has the terminal.
pub(in crate::cli) fn of_search<T>(work: impl FnOnce(&mut dyn FnMut()) -> T) -> T {
    let out = std::fs::metadata("/dev/stdout");
    if out.is_ok_and(|out| out.file_type().is_fifo()) {
        return work(&mut || {});
    }
    until_output("searching the log", || None, work)
}

/// Show progress while a future runs. After a second `look` supplies details, and the time of the next
/// look.
pub(in crate::cli) async fn with_details<T>(
    words: &'static str,
    work: impl Future<Output = T>,
    look: impl AsyncFn() -> Option<(String, Duration)>,
) -> T {
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(MOMENT, &mut work).await {
        return done;
    }
    let line = ProgressLine::new(words);
    let turning = async {
        while line.is_visible() {
            // Each frame of the animation is shown for this long.
            tokio::time::sleep(TURN).await;
            line.turn();
        }
        std::future::pending().await
    };
    let details = async {
        // Query only if it takes long.
        tokio::time::sleep(LONGER).await;
        while let Some((details, again)) = look().await
            && line.detail(&details)
        {
            // `look` returns when its answer may change, as changes are not announced.
            tokio::time::sleep(again).await;
        }
        std::future::pending().await
    };
    tokio::select! {
        done = &mut work => done,
        never = details => never,
        never = turning => never,
    }
}

/// A line on a terminal that shows that something goes on; erased on drop.
struct ProgressLine {
    words: &'static str,
    bar: ProgressBar,
}

impl ProgressLine {
    fn new(words: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // Should the template be refused, the default one is good enough.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        if !bar.is_hidden() {
            // A frame fills a whole line. If it began behind other text, such as a prompt, it would end on the next line,
            // and only that one would be erased.
            let _ = std::io::stderr().write_all(b"\r");
        }
        // This draws the first frame.
        bar.set_message(words);
        bar.tick();
        Self { words, bar }
    }

    /// Whether it is on a terminal.
    fn is_visible(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Show the next frame of the spinner.
    fn turn(&self) {
        self.bar.tick();
    }

    /// Show the details; false if that is done once and for all, as they were printed.
    fn detail(&self, details: &str) -> bool {
        let text = format!("{}: {details}", self.words);
        if !self.is_visible() {
            // overmind prints nothing.
            if Persona::here() == Persona::Tmo {
                super::warn(&text);
            }
            return false;
        }
        self.bar.set_message(text);
        true
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
