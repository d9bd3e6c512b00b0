//! What a terminal shows while something takes longer than a moment. A pipe sees nothing of it.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// What takes no longer needs no explanation.
const MOMENT: Duration = Duration::from_millis(300);

/// What takes so much longer is explained in detail.
const LONGER: Duration = Duration::from_millis(700);

/// How often the spinner turns. The library would turn it by a thread, and panic where the system gives
/// no more threads.
const TURN: Duration = Duration::from_millis(120);

/// Show that this goes on, which blocks its thread.
pub(super) fn while_blocked<T>(words: &'static str, work: impl FnOnce() -> T) -> T {
    let (over, is_over) = channel::<()>();
    let show = move || {
        if is_over.recv_timeout(MOMENT) == Err(RecvTimeoutError::Timeout) {
            let bar = spinner(words);
            // Nothing is ever sent: it ends with the other end.
            while !bar.is_hidden() && is_over.recv_timeout(TURN) == Err(RecvTimeoutError::Timeout) {
                bar.tick();
            }
            bar.finish_and_clear();
        }
    };
    // Without a thread nothing is shown, that is all.
    let shown = std::thread::Builder::new().name("progress".into()).spawn(show).ok();
    let done = work();
    drop(over);
    // What is printed next must not be wiped away.
    let _ = shown.map(JoinHandle::join);
    done
}

/// Show that this goes on.
pub(super) async fn with_progress<T>(words: &'static str, work: impl Future<Output = T>) -> T {
    with_details(words, work, async || None).await
}

/// Show that this goes on. Once it has taken a second, `look` says more of it, and when to look
/// again.
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
        // Only what takes long is worth a question.
        tokio::time::sleep(LONGER).await;
        while !bar.is_hidden()
            && let Some((details, again)) = look().await
        {
            bar.set_message(format!("{words}: {details}"));
            // `look` says when its answer may have changed, which nothing announces.
            tokio::time::sleep(again).await;
        }
        std::future::pending().await
    };
    let turn = async {
        while !bar.is_hidden() {
            // A spinner turns with time.
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
