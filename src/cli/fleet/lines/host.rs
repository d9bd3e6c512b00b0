//! The stream of one host, which is begun anew where it was cut off.

use std::cell::Cell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::{FleetLine, FleetLines, FleetText, MOST_NAMES, PAUSES, SILENCE};
use crate::cli::fleet::answers::last_words;
use crate::cli::fleet::tables::{clock, is_far_off};
use crate::cli::output;
use crate::fleet::call::{Call, ClockOffset};
use crate::fleet::call_error::CallError;
use crate::fleet::caller::RunningCall;
use crate::fleet::fan::{jittered, persistent};
use crate::fleet::host::{Host, Reach};
use crate::fleet::merge::HostStream;
use crate::fleet::names::Target;
use crate::journal::history::Line;
use crate::journal::read::cursor::Position;
use crate::model::name::LONGEST_NAME;
use crate::model::state::State;
use crate::model::time::Timestamp;
use crate::model::{ProcName, units};
use crate::sys::{clock as machine_clock, local};

/// A host whose lines are shown.
pub(super) struct FollowedHost {
    pub(super) place: usize,
    pub(super) host: Host,
    /// The words for its own tmo; none for the whole run.
    names: Vec<String>,
    /// It was listed while the view was there: all that it has printed is new.
    is_new: bool,
    /// The exit code of its last verb, 0 while that runs; `None` if the host does not answer.
    pub(super) code: Cell<Option<u8>>,
    /// It sends, is tried for the first time, or was lost.
    pub(super) goes_on: Cell<bool>,
    /// No list has it any more.
    is_gone: Cell<bool>,
    has_gone: Notify,
}

impl FollowedHost {
    pub(super) fn new(place: usize, target: &Target<'_>, is_new: bool) -> Rc<Self> {
        Rc::new(Self {
            place,
            host: target.host.clone(),
            names: target.names.clone(),
            is_new,
            code: Cell::new(Some(0)),
            goes_on: Cell::new(true),
            is_gone: Cell::new(false),
            has_gone: Notify::new(),
        })
    }

    /// Its stream, if it still has one, is the last.
    pub(super) fn leave(&self) {
        self.is_gone.set(true);
        self.has_gone.notify_one();
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.get()
    }

    /// It may send something again.
    fn go_on(&self, progress: &mut StreamProgress) {
        progress.pause = None;
        progress.reported_over = false;
        self.goes_on.set(true);
    }
}

/// How far the stream of a host has come.
#[derive(Debug, Default)]
struct StreamProgress {
    /// The cursor of the last line.
    after: Option<Position>,
    /// The time there when it first answered.
    begun: Option<Timestamp>,
    /// When it was last heard of, by our clock.
    heard: Option<Timestamp>,
    /// Since when it has been lost, once that was reported.
    lost: Option<Timestamp>,
    names: HashSet<String>,
    /// Which remarks were made already: each of these is made once.
    reported_odd: bool,
    reported_over: bool,
    /// The next pause before another attempt.
    pause: Option<Duration>,
}

/// How a stream has ended: the exit code and the last words of its verb.
type StreamEnd = Result<(u8, String), CallError>;

impl FleetLines<'_> {
    /// All streams of a host, one after the other.
    pub(super) async fn host(&self, one: Rc<FollowedHost>) {
        let mut progress = StreamProgress::default();
        loop {
            let ended = self.stream(&one, &mut progress).await;
            one.code.set(ended.as_ref().ok().map(|(code, _)| *code));
            if self.follows {
                self.ended(&one, ended, &mut progress);
            } else {
                one.goes_on.set(false);
                match ended.map_err(|error| error.to_string()) {
                    Ok((0, _)) => {}
                    Ok((_, text)) | Err(text) => {
                        output::warn(&format!("{}: {text}", one.host.name));
                    }
                }
            }
            self.merge.borrow_mut().set(one.place, HostStream::Closed);
            self.news.notify_one();
            if !self.follows {
                return;
            }
            let pause = progress.pause.unwrap_or(PAUSES.0);
            progress.pause = Some((pause * 2).min(PAUSES.1));
            self.lost.notify_one();
            tokio::select! {
                () = sleep(jittered(pause)) => {}
                () = one.has_gone.notified() => {}
            }
            if one.is_gone() {
                one.code.set(Some(0));
                if !matches!(one.host.reach, Reach::Nowhere(_)) {
                    self.remark(&one, "gone", format!("{} is no longer listed", one.host.name));
                }
                one.goes_on.set(false);
                self.news.notify_one();
                return;
            }
        }
    }

    /// Tell how a stream has ended that will be followed by another.
    fn ended(&self, one: &FollowedHost, ended: StreamEnd, progress: &mut StreamProgress) {
        let name = &one.host.name;
        match (ended, progress.heard) {
            (Err(error), None) => {
                if one.goes_on.replace(false) {
                    let text = format!("{name} does not answer: {error}; trying again");
                    self.remark(one, "lost", text);
                }
            }
            (Err(error), Some(since)) => {
                if progress.lost.replace(since).is_none() {
                    let at = time_of_day(since);
                    let why = match error {
                        CallError::Lost(why) => why,
                        other => other.to_string(),
                    };
                    let text = format!("{name} does not answer since {at} ({why}); trying again");
                    self.remark(one, "lost", text);
                }
            }
            (Ok((code, text)), _) => {
                let goes_on = self.goes_on_without(Some(one));
                let next = if goes_on { "; waiting for a run" } else { "" };
                if std::mem::replace(&mut progress.reported_over, true) {
                } else if code != 0 {
                    self.remark(one, "over", format!("{name}: {text}{next}"));
                } else if goes_on {
                    self.remark(one, "over", format!("nothing runs on {name} now{next}"));
                }
                one.goes_on.set(false);
            }
        }
    }

    /// A stream of a host, from what was the last line so far.
    async fn stream(&self, one: &FollowedHost, progress: &mut StreamProgress) -> StreamEnd {
        let place = one.place;
        let host = &one.host;
        let caller = self.fleet.caller();
        let mut running = self.open(one, progress).await?;
        let clock = running.clock;
        // At first, what a host has printed so far is waited for.
        if progress.begun.is_some() || self.argv.has("--lines=0") {
            self.merge.borrow_mut().set(place, HostStream::Open);
        }
        self.opened(one, &running, progress);
        let mut begun = vec![];
        loop {
            while !self.merge.borrow().has_room(place) {
                self.room.notified().await;
            }
            let Ok(line) = timeout(SILENCE, running.line(&mut begun)).await else {
                caller.probe(host).await?;
                progress.heard = Some(machine_clock::now());
                continue;
            };
            let line = line.map_err(|error| CallError::Lost(crate::sys::why(&error)))?;
            let Some(line) = line else { break };
            one.code.set(Some(0));
            self.arrived(one, &line, clock, progress);
        }
        let (code, error) = running.finish(host).await?;
        Ok((code, last_words(&self.fleet.inventory, host, code, &error)))
    }

    /// Begin a stream.
    async fn open(
        &self,
        one: &FollowedHost,
        progress: &StreamProgress,
    ) -> Result<RunningCall, CallError> {
        let host = &one.host;
        let caller = self.fleet.caller();
        // It is never closed.
        let _permit = self.opening.acquire().await;
        if !self.fleet.args.json {
            let answer = self.fleet.call(host, &Call::new(host, &["ps", "--json"]), None).await?;
            // Without a run there are no processes yet.
            if let Ok(state) = serde_json::from_slice::<State>(&answer.output) {
                let renderer = &mut self.formatter.borrow_mut().renderer;
                renderer.of_host(&host.name);
                renderer.add_senders(&state.processes[..state.processes.len().min(MOST_NAMES)]);
            }
        }
        let mut argv = self.argv.clone();
        let begun = progress.begun.filter(|_| argv.has("--lines=0") && !one.is_new);
        let place = match (progress.after, begun) {
            (Some(after), _) => Some(format!("--after={after}")),
            (None, begun) => begun.map(|begun| format!("--since={begun}")),
        };
        if place.is_some() || one.is_new {
            argv.take("--lines");
        }
        argv = place.map_or(argv.clone(), |place| argv.and(&place));
        let call = Call::new(host, &argv.with(&one.names)).with_clock();
        persistent(async || caller.open(host, &call, None).await).await
    }

    /// A host has answered.
    fn opened(&self, one: &FollowedHost, running: &RunningCall, progress: &mut StreamProgress) {
        let name = &one.host.name;
        let now = machine_clock::now();
        if progress.begun.is_none() {
            progress.begun = Some(running.hello.now);
            if one.is_new {
                self.remark(one, "new", format!("{name} is new; its lines follow"));
            }
            if is_far_off(running.clock) {
                let by = clock(running.clock);
                let text = format!("the clock of {name} is off by {by}; its times are corrected");
                self.remark(one, "clock", text);
            }
        }
        if let Some(since) = progress.lost.take() {
            let lasted = units::span(Duration::from_secs(now.since(since).as_secs().max(1)));
            let text = format!("{name} is back after {lasted}; its lines follow");
            self.remark(one, "back", text);
            progress.pause = None;
        } else if progress.heard.is_none() && !one.goes_on.get() {
            self.remark(one, "back", format!("{name} answers; its lines follow"));
            one.go_on(progress);
        }
        progress.heard = Some(now);
    }

    /// A line has arrived.
    fn arrived(
        &self,
        one: &FollowedHost,
        json: &[u8],
        clock: ClockOffset,
        progress: &mut StreamProgress,
    ) {
        progress.heard = Some(machine_clock::now());
        let host = &one.host.name;
        let Some((mut line, time)) = parse_line(json, &mut progress.names) else {
            if !std::mem::replace(&mut progress.reported_odd, true) {
                self.remark(one, "odd", format!("{host} sends lines that are not understood"));
            }
            return;
        };
        progress.after = line.cursor.parse().ok().or(progress.after);
        one.go_on(progress);
        let time = clock.here(time);
        line.time = time.to_string();
        let line = FleetLine { host: host.clone(), text: FleetText::Log(Box::new(line)) };
        let mut merge = self.merge.borrow_mut();
        merge.set(one.place, HostStream::Open);
        merge.add(one.place, time, json.len(), line, Instant::now());
        self.news.notify_one();
    }
}

fn time_of_day(time: Timestamp) -> String {
    let time = local::date_and_time(time, &local::zone());
    time.split_once(' ').map_or_else(String::new, |(_, time)| time.to_owned())
}

/// A line as the log of a host has it, and its time there; `None` if it is not one.
fn parse_line(json: &[u8], names: &mut HashSet<String>) -> Option<(Line<'static>, Timestamp)> {
    let line: Line<'static> = serde_json::from_slice(json).ok()?;
    let time = line.time.parse().ok()?;
    if let Some(name) = line.name.as_deref()
        && !names.contains(name)
    {
        let is_fine = ProcName::new(name).is_ok() && name.len() <= LONGEST_NAME;
        if !is_fine || names.len() >= MOST_NAMES {
            return None;
        }
        names.insert(name.to_owned());
    }
    Some((line, time))
}
