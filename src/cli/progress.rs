//! Shows progress on a terminal while an operation takes long. A pipe does not see it.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Shorter operations show nothing.
const MOMENT: Duration = Duration::from_millis(300);

/// After this much more time details are shown.
const LONGER: Duration = Duration::from_millis(700);

/// The spinner's interval. We turn it ourselves: the library would use a thread, and panic if none can be
/// created.
const TURN: Duration = Duration::from_millis(120);

/// Show progress while a blocking operation runs.
pub(super) fn while_blocked<T>(words: &'static str, work: impl FnOnce() -> T) -> T {
    let (over, is_over) = channel::<()>();
    let show = move || {
        if is_over.recv_timeout(MOMENT) == Err(RecvTimeoutError::Timeout) {
            let bar = spinner(words);
            // Nothing is ever sent: the channel closes when the work is done.
            while !bar.is_hidden() && is_over.recv_timeout(TURN) == Err(RecvTimeoutError::Timeout) {
                bar.tick();
            }
            bar.finish_and_clear();
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
    let bar = spinner(words);
    let details = async {
        // Query only if it takes long.
        tokio::time::sleep(LONGER).await;
        while !bar.is_hidden()
            && let Some((details, again)) = look().await
        {
            bar.set_message(format!("{words}: {details}"));
            // `look` returns when its answer may change, as changes are not announced.
            tokio::time::sleep(again).await;
        }
        std::future::pending().await
    };
    let turn = async {
        while !bar.is_hidden() {
            // Drives the spinner.
            tokio::time::sleep(TURN).await;
            bar.tick();
        }
        std::future::pending().await
    };
    let done = tokio::select! {
        done = &mut work => done,
        never = details => never,
        never = turn => never,
    };
    bar.finish_and_clear();
    done
}

fn spinner(words: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
    let bar = ProgressBar::new_spinner().with_message(words);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar
}
