//! Waiting for conditions, with a deadline.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take, on a machine that is ten times as busy as usual.
const DEADLINE: Duration = Duration::from_secs(90);

/// A command that takes longer hangs. Many wait for some time by themselves.
pub(super) const HANG: Duration = Duration::from_secs(300);

/// In the message of a failure that is never chance: `.ci/judge` does not run such a test again.
pub(crate) const NEVER_FLAKY: &str = "[never flaky]";

/// Wait until `look` finds something.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_within(DEADLINE, what, look)
}

/// Wait until `look` finds something, for at most this long.
#[track_caller]
pub(crate) fn eventually_within<T>(
    limit: Duration,
    what: &str,
    look: impl FnMut() -> Option<T>,
) -> T {
    found_within(limit, what, look, String::new)
}

/// Wait until `look` finds something; if it does not, tell this as well.
#[track_caller]
pub(crate) fn eventually_or<T>(
    what: &str,
    look: impl FnMut() -> Option<T>,
    story: impl Fn() -> String,
) -> T {
    found_within(DEADLINE, what, look, story)
}

#[track_caller]
fn found_within<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
    story: impl Fn() -> String,
) -> T {
    let deadline = Instant::now() + limit;
    let mut step = Duration::from_millis(1);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain: {what}\n{}", story());
        pause(step);
        step = (step * 2).min(Duration::from_millis(50));
    }
}

/// Let others run between two looks.
pub(crate) fn pause(time: Duration) {
    let never = Mutex::new(());
    let guard = never.lock().unwrap();
    drop(Condvar::new().wait_timeout(guard, time).unwrap());
}
