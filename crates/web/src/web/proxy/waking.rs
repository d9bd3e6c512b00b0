//! Starting lazy processes for requests, and telling their supervisor that they are in use.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode, header};
use tokio::time::{Instant, sleep};

use crate::model::ProcessStatus;
use crate::model::request::{ChangeOrder, Request};
use crate::model::state::ProcessState;
use crate::model::time::Timestamp;
use crate::sys::clock;
use crate::web::locked;
use crate::web::proxy::headers::upgrade;
use crate::web::proxy::page::{Problem, wants_html};
use crate::web::proxy::upstream::Upstream;
use crate::web::runs::{Run, Runs};

/// How long a browser waits for a page before it gets one that says what it waits for.
const PAGE_AFTER: Duration = Duration::from_secs(1);
/// How many of its last lines stand on that page.
const LINES: usize = 15;
/// The shortest and the longest time between two reports that a process is in use.
const REPORTS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(60));

/// Who sends a request to a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// When it came.
    since: Instant,
    /// The same as a time of the clock, to compare it with the states of processes.
    came: Timestamp,
    /// Whether it may start a process that does not run.
    pub(super) may_start: bool,
    /// When it gets a page that says what it waits for; `None`: it waits for the answer.
    pub(super) page_at: Option<Instant>,
}

impl Caller {
    pub(super) fn new(method: &Method, headers: &HeaderMap, is_own: impl Fn(&str) -> bool) -> Self {
        let since = Instant::now();
        let is_page = *method == Method::GET && wants_html(headers);
        let page_at = is_page.then(|| since + PAGE_AFTER);
        Self { since, came: clock::now(), may_start: may_start(headers, is_own), page_at }
    }
}

/// Whether this is not the request of a page of another site, which only what the user does there may send. `is_own`
/// decides for the pages that are named; without that, it is not known from where a `WebSocket` is opened.
fn may_start(headers: &HeaderMap, is_own: impl Fn(&str) -> bool) -> bool {
    if let Some(origin) = headers.get(header::ORIGIN) {
        return origin.to_str().is_ok_and(is_own);
    }
    if upgrade(headers).is_some() {
        return false;
    }
    let says = |name: &str, value: &str| headers.get(name).is_some_and(|said| said == value);
    !says("sec-fetch-site", "cross-site")
        || says("sec-fetch-user", "?1") && says("sec-fetch-mode", "navigate")
}

/// What is known of the starts of a process, and of its use.
#[derive(Debug, Default)]
pub(super) struct Waking {
    /// Since when it had been at rest when a start was requested of which nobody has been told how it ended.
    asked: Mutex<Option<Timestamp>>,
    /// When the last start has failed, and why.
    failed: Mutex<Option<(Instant, Problem)>>,
    /// How many requests to it are open.
    open: AtomicUsize,
    /// Whether it was used since the last report.
    is_used: AtomicBool,
    /// Whether a task reports its use.
    is_reported: AtomicBool,
}

impl Waking {
    /// Why the start has failed that this request has waited for.
    pub(super) fn failure(&self, caller: Caller) -> Result<(), Problem> {
        match &*locked(&self.failed) {
            Some((at, problem)) if *at >= caller.since => Err(problem.clone()),
            Some(_) | None => Ok(()),
        }
    }

    /// The process answers.
    pub(super) fn answers(&self) {
        locked(&self.asked).take();
    }
}

impl Upstream {
    /// Start a process that is at rest, unless that was requested already. Fails if it has ended since.
    pub(super) async fn wake(
        &self,
        run: &Run,
        caller: Caller,
        state: &ProcessState,
    ) -> Result<(), Problem> {
        let name = &self.service.process;
        let asked = *locked(&self.waking.asked);
        if asked == Some(state.since) {
            return Ok(());
        }
        // It was started for a request that was given up, and stopped since, perhaps because nothing used it.
        let was_stopped = state.state == ProcessStatus::Stopped && state.since < caller.came;
        if asked.is_some() && !was_stopped {
            let lines = self.lines(run, asked).await;
            self.waking.answers();
            let exit = state.ends.exit.map(|exit| format!(" ({exit})")).unwrap_or_default();
            let why = state.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let why = format!(
                "{name} was started and is {} now{exit}{why}; `tmo why {name}` explains it",
                state.state
            );
            return Err(self.fail(Problem::new(StatusCode::BAD_GATEWAY, why).with_lines(lines)));
        }
        if !caller.may_start {
            let why = format!(
                "{name} does not run, and a page of another site does not start it: open its address"
            );
            return Err(Problem::new(StatusCode::FORBIDDEN, why));
        }
        let refused = |why: String| {
            self.fail(Problem::new(
                StatusCode::BAD_GATEWAY,
                format!("{name} can't be started: {why}"),
            ))
        };
        let client = run.client().await.ok_or_else(|| refused("its run is over".to_owned()))?;
        let client =
            client.map_err(|error| refused(error.to_string()))?.by("a request to its name");
        let start =
            Request::Start { names: vec![format!("={name}")], order: ChangeOrder::default() };
        *locked(&self.waking.asked) = Some(state.since);
        let outcome = client.request(&start, false).await.map_err(|error| error.to_string());
        match outcome {
            Ok(outcome) if outcome.ok => Ok(()),
            refusal => {
                self.waking.answers();
                let why = refusal.map(|outcome| {
                    outcome.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                });
                Err(refused(why.unwrap_or_else(|error| error)))
            }
        }
    }

    fn fail(&self, problem: Problem) -> Problem {
        *locked(&self.waking.failed) = Some((Instant::now(), problem.clone()));
        problem
    }

    /// What a browser sees while the process starts.
    pub(super) async fn waiting(&self, run: &Run) -> Problem {
        let name = &self.service.process;
        let asked = *locked(&self.waking.asked);
        Problem::passing(format!("{name} is starting …")).with_lines(self.lines(run, asked).await)
    }

    /// What it has printed last since it was at rest. Without that time, nothing tells its lives apart.
    async fn lines(&self, run: &Run, since: Option<Timestamp>) -> Vec<String> {
        let (name, Some(since)) = (self.service.process.to_string(), since) else { return vec![] };
        let read = run.read_history(move |history| {
            history.last_lines(&name, LINES, history.records()?, since)
        });
        // Without them, the rest is said all the same.
        read.await.unwrap_or_default()
    }

    /// Note that a request uses the process, until this is dropped. `None` if nobody wants to know.
    pub(super) async fn in_use(self: &Arc<Self>, runs: &Runs) -> Option<InUse> {
        let idle = Duration::from_millis(self.service.lazy?.idle_ms?);
        let waking = &self.waking;
        waking.open.fetch_add(1, SeqCst);
        waking.is_used.store(true, SeqCst);
        let in_use = InUse(Arc::clone(self));
        if !waking.is_reported.swap(true, SeqCst) {
            let run = runs.get(&self.service.instance).await.ok().flatten();
            match run {
                Some(run) => drop(tokio::spawn(Arc::clone(self).report(run, idle / 8))),
                None => waking.is_reported.store(false, SeqCst),
            }
        }
        Some(in_use)
    }

    /// Report that the process is in use, until it is no longer.
    async fn report(self: Arc<Self>, run: Arc<Run>, pause: Duration) {
        let waking = &self.waking;
        let pause = pause.clamp(REPORTS.0, REPORTS.1);
        loop {
            waking.is_used.store(false, SeqCst);
            let name = self.service.process.to_string();
            if let Some(Ok(client)) = run.client().await
                && let Err(error) = client.request(&Request::Use { name }, true).await
            {
                tracing::debug!(%error, "the use of a process can't be reported");
            }
            sleep(pause).await;
            let is_used = || waking.open.load(SeqCst) > 0 || waking.is_used.load(SeqCst);
            if is_used() {
                continue;
            }
            waking.is_reported.store(false, SeqCst);
            // One that came just now has seen that it is reported.
            if !is_used() || waking.is_reported.swap(true, SeqCst) {
                return;
            }
        }
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct InUse(Arc<Upstream>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.waking.is_used.store(true, SeqCst);
        self.0.waking.open.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    use super::may_start;

    #[test]
    fn a_page_of_another_site_starts_nothing_unless_the_user_follows_a_link() {
        let may = |said: &[(&'static str, &'static str)]| {
            let header = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            let is_own = |origin: &str| origin == "http://web.shop.localhost:10000";
            may_start(&said.iter().map(header).collect::<HeaderMap>(), is_own)
        };
        let site = |site| ("sec-fetch-site", site);
        assert!(may(&[]), "not a browser");
        assert!(may(&[site("none")]) && may(&[site("same-origin")]) && may(&[site("same-site")]));
        assert!(!may(&[site("cross-site")]), "an image");
        assert!(
            !may(&[site("cross-site"), ("sec-fetch-mode", "navigate")]),
            "a redirect by a script"
        );
        let link = [site("cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-user", "?1")];
        assert!(may(&link));
        // Only an own page opens a `WebSocket`, or is named at all.
        let socket = [("connection", "Upgrade"), ("upgrade", "websocket")];
        let from = |origin| ("origin", origin);
        assert!(!may(&socket));
        for (origin, expected) in [
            ("http://web.shop.localhost:10000", true),
            ("http://evil.example", false),
            ("null", false),
        ] {
            assert_eq!(may(&[from(origin)]), expected, "{origin}");
            assert_eq!(may(&[socket[0], socket[1], from(origin)]), expected, "{origin}");
            assert_eq!(may(&[from(origin), site("cross-site")]), expected, "{origin}");
        }
    }
}
