//! `tmo fleet logs`, `events` and `echo`: lines of several hosts, merged by time.
//!
//! Each host has a stream of its own, `tmo logs --json`. If that breaks, the host is tried again, and its lines go on
//! behind the last one that arrived.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::pending;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde::Serialize;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};

use super::Fleet;
use super::answers::{Summary, last_words};
use super::hosts::{clock, is_far_off};
use super::{terminal, texts, until_signal};
use crate::api::history::Line;
use crate::cli::args::FleetArgv;
use crate::cli::args::FleetCommand;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::output::stdout::{Stdout, goes_on, write};
use crate::cli::reach::log::Source;
use crate::cli::runtime::{block_on, until};
use crate::cli::view::while_wanted;
use crate::fleet::call::{Call, ClockOffset};
use crate::fleet::call_error::CallError;
use crate::fleet::caller::RunningCall;
use crate::fleet::fan::{AT_ONCE, jittered, persistent};
use crate::fleet::merge::{HostStream, Merge};
use crate::fleet::names::Target;
use crate::journal::cursor::Position;
use crate::model::moment::moment;
use crate::model::name::LONGEST_NAME;
use crate::model::request::State;
use crate::model::time::Timestamp;
use crate::model::{ProcName, units, untrusted};
use crate::sys::{clock as machine_clock, local};
use crate::view::api_lines::ApiLines;
use crate::view::paint::{Stamp, Style};

/// The most hosts whose lines are merged: each has an ssh of its own.
const MOST_HOSTS: usize = 64;

/// The most names of processes that one host may have.
const MOST_NAMES: usize = 2_000;

/// How long a stream may be silent before its host is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(15);

/// The first and the longest pause before a host is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How much is rendered before it is written.
const PAGE: usize = 64 << 10;

/// About how much memory a remark takes.
const REMARK: usize = 256;

/// Print the lines of each host.
pub(super) fn lines(fleet: &Fleet<'_>, command: &FleetCommand) -> Result<u8, CliError> {
    let typed = &command.argv;
    if ["--raw", "--path", "--clear"].iter().any(|flag| typed.has(flag)) {
        // These are no lines that could be merged.
        return if typed.has("--follow") {
            terminal::open(fleet, command)
        } else {
            until_signal(texts::text(fleet, command))
        };
    }
    let mut code = 0;
    block_on(while_wanted(async {
        let targets = fleet.targets(&command.words).await?;
        let verb = command.verb.name;
        if targets.len() > MOST_HOSTS {
            return Err(CliError::Usage(format!(
                "`tmo fleet {verb}` shows at most {MOST_HOSTS} hosts at once, and the fleet has {}; --hosts chooses some",
                targets.len()
            )));
        }
        let lines = FleetLines::new(fleet, command, &targets)?;
        lines.show(&targets).await?;
        code = lines.summary(&targets).finish(verb);
        Ok(())
    }))?;
    Ok(code)
}

/// A view of the lines of several hosts.
struct FleetLines<'a> {
    fleet: &'a Fleet<'a>,
    /// What the streams are asked for the first time.
    argv: FleetArgv,
    follows: bool,
    max_bytes: Option<u64>,
    merge: RefCell<Merge<FleetLine>>,
    shown: RefCell<ApiLines>,
    /// What each host has done last.
    outcomes: RefCell<Vec<HostOutcome>>,
    /// How many hosts are sending, are tried for the first time, or were lost.
    going: Cell<usize>,
    is_over: Cell<bool>,
    /// Something has arrived, or a stream has ended.
    news: Notify,
    /// Something was printed.
    room: Notify,
    opening: Semaphore,
}

/// How the last stream of a host has ended.
#[derive(Debug, Clone, Copy)]
enum HostOutcome {
    Unanswered,
    /// With this exit code of the verb.
    Answered(u8),
}

/// A line of the view.
struct FleetLine {
    host: String,
    text: FleetText,
}

enum FleetText {
    /// A line of the host's log.
    Log(Box<Line<'static>>),
    /// Something about its stream: a word for programs, and the text.
    Remark(&'static str, String, Timestamp),
}

/// What `--json` prints for a line.
#[derive(Serialize)]
struct FleetJson<'a> {
    host: &'a str,
    #[serde(flatten)]
    line: &'a Line<'static>,
}

/// The same for a remark.
#[derive(Serialize)]
struct RemarkJson<'a> {
    host: &'a str,
    time: String,
    event: &'a str,
    text: &'a str,
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
    /// Whether it counts as one that may still send.
    is_going: bool,
    /// Which remarks were made already: each of these is made once.
    reported_odd: bool,
    reported_over: bool,
    /// The next pause before another attempt.
    pause: Option<Duration>,
}

/// Why a stream has ended.
enum StreamEnd {
    /// The verb there has ended with this code, and this text.
    Ended(u8, String),
    Lost(CallError),
}

impl StreamEnd {
    const fn outcome(&self) -> HostOutcome {
        match self {
            Self::Ended(code, _) => HostOutcome::Answered(*code),
            Self::Lost(_) => HostOutcome::Unanswered,
        }
    }
}

impl From<CallError> for StreamEnd {
    fn from(error: CallError) -> Self {
        Self::Lost(error)
    }
}

impl<'a> FleetLines<'a> {
    fn new(
        fleet: &'a Fleet<'a>,
        command: &FleetCommand,
        targets: &[Target<'_>],
    ) -> Result<Self, CliError> {
        let mut argv = command.argv.clone();
        let max_bytes = argv.take("--max-bytes").and_then(|size| units::parse_bytes(&size));
        let has_times = argv.take("--timestamps").is_some() || command.verb.name == "events";
        let stamp = match command.verb.name {
            "echo" if has_times => Stamp::Clock,
            _ if has_times => Stamp::Date,
            _ => Stamp::None,
        };
        let bare = argv.take("--no-prefix").is_some();
        for flag in ["--since", "--until"] {
            if let Some(time) = argv.take(flag) {
                // As this machine means it.
                let time = moment(&time, &local::now());
                let time = time.map_err(|error| CliError::Usage(error.to_string()))?;
                argv = argv.and(&format!("{flag}={time}"));
            }
        }
        argv = match command.verb.name {
            "events" => argv.of_verb("logs").and("--events"),
            "echo" => {
                let lines = argv.take("--lines").unwrap_or_else(|| "0".to_owned());
                argv.of_verb("logs").and("--follow").and(&format!("--lines={lines}"))
            }
            _ => argv,
        };
        let follows = argv.has("--follow");
        let style = Style { bare, ..Source::style(&fleet.env, stamp) };
        let style = (!fleet.args.json).then_some(style);
        let now = (Instant::now(), machine_clock::now());
        Ok(Self {
            fleet,
            argv: argv.and("--json"),
            follows,
            max_bytes,
            merge: RefCell::new(Merge::new(targets.len(), follows.then_some(now))),
            shown: RefCell::new(ApiLines::new(style, &[])),
            outcomes: RefCell::new(vec![HostOutcome::Answered(0); targets.len()]),
            going: Cell::new(0),
            is_over: Cell::new(false),
            news: Notify::new(),
            room: Notify::new(),
            opening: Semaphore::new(AT_ONCE),
        })
    }

    fn summary(&self, targets: &[Target<'_>]) -> Summary {
        let mut summary = Summary::default();
        for (target, outcome) in targets.iter().zip(self.outcomes.borrow().iter()) {
            match outcome {
                HostOutcome::Unanswered => summary.unanswered(target.host, None),
                HostOutcome::Answered(code) => summary.answered(*code),
            }
        }
        summary
    }

    /// Show the lines until all have been shown; with `--follow`, until no host is left that may send some.
    async fn show(&self, targets: &[Target<'_>]) -> Result<(), CliError> {
        self.going.set(targets.len());
        let hosts = async {
            join_all(targets.iter().enumerate().map(|(place, target)| self.host(place, target)))
                .await;
            self.is_over.set(true);
            self.news.notify_one();
            pending::<()>().await;
        };
        tokio::select! {
            () = hosts => Ok(()),
            printed = self.print() => printed,
        }
    }

    async fn print(&self) -> Result<(), CliError> {
        let mut out = tokio::io::stdout();
        let mut kept = self.max_bytes.map(|most| Stdout::new(Some(most)));
        loop {
            let (is_over, now) = (self.is_over.get(), Instant::now());
            let mut page = vec![];
            while page.len() < PAGE
                && let Some(line) = { self.merge.borrow_mut().next(now) }
            {
                self.render(&line, &mut page);
            }
            let is_last = is_over && self.merge.borrow().is_empty();
            if is_last {
                page.extend(self.shown.borrow_mut().finish());
            }
            if !page.is_empty() {
                self.room.notify_waiters();
                let written = match &mut kept {
                    Some(kept) => kept.put(&page),
                    None => write(&mut out, &page).await,
                };
                if !goes_on(written)? {
                    return Ok(());
                }
            }
            if is_last {
                return kept.map_or(Ok(()), |kept| kept.finish().map(drop));
            }
            if page.is_empty() {
                let due = self.merge.borrow().next_due().map(tokio::time::Instant::from_std);
                tokio::select! {
                    () = self.news.notified() => {}
                    () = until(due) => {}
                }
            }
        }
    }

    fn render(&self, line: &FleetLine, page: &mut Vec<u8>) {
        let host = &*line.host;
        let json = match &line.text {
            FleetText::Log(line) if self.fleet.args.json => {
                serde_json::to_string(&FleetJson { host, line })
            }
            FleetText::Remark(event, text, time) if self.fleet.args.json => {
                serde_json::to_string(&RemarkJson { host, time: time.to_string(), event, text })
            }
            FleetText::Log(line) => {
                let mut shown = self.shown.borrow_mut();
                shown.of_host(host);
                return page.extend(shown.show(line));
            }
            FleetText::Remark(_, text, time) => {
                return page.extend(self.shown.borrow_mut().message(text, *time));
            }
        };
        // They have only strings and numbers, so this can't fail.
        page.extend_from_slice(untrusted::json(&json.unwrap_or_default()).as_bytes());
        page.push(b'\n');
    }

    /// All streams of a host, one after the other.
    async fn host(&self, place: usize, target: &Target<'_>) {
        let host = target.host;
        let mut progress = StreamProgress { is_going: true, ..StreamProgress::default() };
        loop {
            let ended = self.stream(place, target, &mut progress).await.err();
            let Some(ended) = ended else { return };
            if !self.follows {
                self.report(place, target, ended);
                return;
            }
            let name = &host.name;
            self.outcomes.borrow_mut()[place] = ended.outcome();
            match ended {
                StreamEnd::Lost(error) if progress.heard.is_none() => {
                    if std::mem::replace(&mut progress.is_going, false) {
                        let text = format!("{name} does not answer: {error}; trying again");
                        self.remark(place, name, "lost", text);
                        self.less();
                    }
                }
                StreamEnd::Lost(error) => {
                    let since = progress.heard.unwrap_or_default();
                    if progress.lost.is_none() {
                        let at = time_of_day(since);
                        let why = match &error {
                            CallError::Lost(why) => why.clone(),
                            other => other.to_string(),
                        };
                        let text =
                            format!("{name} does not answer since {at} ({why}); trying again");
                        self.remark(place, name, "lost", text);
                    }
                    progress.lost.get_or_insert(since);
                }
                StreamEnd::Ended(code, text) => {
                    let is_last = self.going.get() == usize::from(progress.is_going);
                    if !std::mem::replace(&mut progress.reported_over, true) {
                        let next = if is_last { "" } else { "; waiting for a run" };
                        if code != 0 {
                            self.remark(place, name, "over", format!("{name}: {text}{next}"));
                        } else if !is_last {
                            let text = format!("nothing runs on {name} now{next}");
                            self.remark(place, name, "over", text);
                        }
                    }
                    if std::mem::replace(&mut progress.is_going, false) {
                        self.less();
                    }
                }
            }
            self.merge.borrow_mut().set(place, HostStream::Closed);
            self.news.notify_one();
            let pause = progress.pause.unwrap_or(PAUSES.0);
            progress.pause = Some((pause * 2).min(PAUSES.1));
            sleep(jittered(pause)).await;
        }
    }

    /// The end of the only stream of a host.
    fn report(&self, place: usize, target: &Target<'_>, ended: StreamEnd) {
        let name = &target.host.name;
        self.outcomes.borrow_mut()[place] = ended.outcome();
        match ended {
            StreamEnd::Ended(0, _) => {}
            StreamEnd::Ended(_, text) => output::warn(&format!("{name}: {text}")),
            StreamEnd::Lost(error) => output::warn(&format!("{name}: {error}")),
        }
        self.merge.borrow_mut().set(place, HostStream::Closed);
        self.news.notify_one();
    }

    /// One host fewer may send something.
    fn less(&self) {
        self.going.set(self.going.get() - 1);
        if self.going.get() == 0 {
            self.is_over.set(true);
            self.news.notify_one();
        }
    }

    fn remark(&self, place: usize, host: &str, event: &'static str, text: String) {
        let now = machine_clock::now();
        let line = FleetLine { host: host.to_owned(), text: FleetText::Remark(event, text, now) };
        // Right behind what the host has sent: later lines may be older than this moment.
        let at = Timestamp::EPOCH;
        self.merge.borrow_mut().add(place, at, REMARK, line, Instant::now());
        self.news.notify_one();
    }

    /// A stream of a host, from what was the last line so far.
    async fn stream(
        &self,
        place: usize,
        target: &Target<'_>,
        progress: &mut StreamProgress,
    ) -> Result<(), StreamEnd> {
        let (host, caller) = (target.host, self.fleet.caller());
        let mut running = self.open(target, progress).await?;
        let clock = running.clock;
        // At first, what a host has printed so far is waited for.
        if progress.begun.is_some() || self.argv.has("--lines=0") {
            self.merge.borrow_mut().set(place, HostStream::Open);
        }
        self.opened(place, &running, target, progress);
        let mut begun = vec![];
        loop {
            while !self.merge.borrow().has_room(place) {
                self.room.notified().await;
            }
            let Ok(line) = timeout(SILENCE, running.line(&mut begun)).await else {
                caller.open(host, &Call::of(host, vec![]), None).await?;
                progress.heard = Some(machine_clock::now());
                continue;
            };
            let line = line.map_err(|error| CallError::Lost(crate::sys::why(&error)))?;
            let Some(line) = line else { break };
            self.arrived(place, &host.name, &line, clock, progress);
        }
        let (code, error) = running.finish(host).await?;
        Err(StreamEnd::Ended(code, last_words(host, code, &error)))
    }

    /// Begin a stream.
    async fn open(
        &self,
        target: &Target<'_>,
        progress: &StreamProgress,
    ) -> Result<RunningCall, CallError> {
        let (host, caller) = (target.host, self.fleet.caller());
        // It is never closed.
        let _permit = self.opening.acquire().await;
        if !self.fleet.args.json {
            let ps = Call::of(host, ["ps", "--json"].map(str::to_owned).to_vec());
            let answer = persistent(async || caller.call(host, &ps, None).await).await?;
            // Without a run there are no processes yet.
            if let Ok(state) = serde_json::from_slice::<State>(&answer.output) {
                let mut shown = self.shown.borrow_mut();
                shown.of_host(&host.name);
                shown.know(&state.processes[..state.processes.len().min(MOST_NAMES)]);
            }
        }
        let mut argv = self.argv.clone();
        if let Some(after) = progress.after {
            argv.take("--lines");
            argv = argv.and(&format!("--after={after}"));
        } else if let (true, Some(begun)) = (argv.has("--lines=0"), progress.begun) {
            argv.take("--lines");
            argv = argv.and(&format!("--since={begun}"));
        }
        let call = Call::of(host, argv.with(&target.names)).with_clock();
        persistent(async || caller.open(host, &call, None).await).await
    }

    /// A host has answered.
    fn opened(
        &self,
        place: usize,
        running: &RunningCall,
        target: &Target<'_>,
        progress: &mut StreamProgress,
    ) {
        let name = &target.host.name;
        let now = machine_clock::now();
        if progress.begun.is_none() {
            progress.begun = Some(running.hello.now);
            if is_far_off(running.clock) {
                let by = clock(running.clock);
                let text = format!("the clock of {name} is off by {by}; its times are corrected");
                self.remark(place, name, "clock", text);
            }
        }
        if let Some(since) = progress.lost.take() {
            let lasted = units::span(Duration::from_secs(now.since(since).as_secs().max(1)));
            let text = format!("{name} is back after {lasted}; its lines follow");
            self.remark(place, name, "back", text);
            progress.pause = None;
        } else if progress.heard.is_none() && !progress.is_going {
            self.remark(place, name, "back", format!("{name} answers; its lines follow"));
            self.go_on(progress);
        }
        progress.heard = Some(now);
    }

    /// The host may send something again.
    fn go_on(&self, progress: &mut StreamProgress) {
        progress.pause = None;
        progress.reported_over = false;
        if !std::mem::replace(&mut progress.is_going, true) {
            self.going.set(self.going.get() + 1);
        }
    }

    /// A line has arrived.
    fn arrived(
        &self,
        place: usize,
        host: &str,
        json: &[u8],
        clock: ClockOffset,
        progress: &mut StreamProgress,
    ) {
        progress.heard = Some(machine_clock::now());
        let Some((mut line, time)) = read(json, &mut progress.names) else {
            if !std::mem::replace(&mut progress.reported_odd, true) {
                let text = format!("{host} sends lines that are not understood");
                self.remark(place, host, "odd", text);
            }
            return;
        };
        progress.after = line.cursor.parse().ok().or(progress.after);
        self.go_on(progress);
        let time = clock.here(time);
        line.time = time.to_string();
        let line = FleetLine { host: host.to_owned(), text: FleetText::Log(Box::new(line)) };
        let mut merge = self.merge.borrow_mut();
        merge.set(place, HostStream::Open);
        merge.add(place, time, json.len(), line, Instant::now());
        self.news.notify_one();
    }
}

fn time_of_day(time: Timestamp) -> String {
    let time = local::date_and_time(time, &local::zone());
    time.split_once(' ').map_or_else(String::new, |(_, time)| time.to_owned())
}

/// A line as the log of a host has it, and its time there; `None` if it is not one.
fn read(json: &[u8], names: &mut HashSet<String>) -> Option<(Line<'static>, Timestamp)> {
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
