//! Check: the events in the journal may have happened, in this order.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::chaos::action_log::{ActionLog, agreed};
use crate::chaos::config::{Config, Entry, Phase, Policy, Until};

/// The known history of a process at a position in the journal.
#[derive(Debug, Default)]
struct ProcessHistory {
    alive: bool,
    /// Its present life was asked to stop.
    reported: bool,
    began: u64,
    starts: u32,
    /// Whether one of its lives was ready, and whether the present one is.
    was_ready: bool,
    is_ready: bool,
    completed: bool,
    /// Failures in a row, and when the last one was.
    row: (u32, u64),
    /// Since when it must not be restarted automatically, and why.
    given_up: Option<(u64, &'static str)>,
}

/// One run.
struct EventReader<'a> {
    actions: &'a ActionLog,
    from: u64,
    until: u64,
    /// All configurations that may have been in force.
    config: Vec<&'a Config>,
    seen: BTreeMap<String, ProcessHistory>,
    main_stopped: bool,
    begun: bool,
    problems: Vec<String>,
}

/// What is wrong with these events of `tmo events --json`.
pub(crate) fn judge(events: &[Value], actions: &ActionLog) -> Vec<String> {
    let begins = |at: &usize| events[*at]["event"] == "begin";
    let starts: Vec<usize> =
        (0..events.len()).filter(begins).filter(|&at| at == 0 || !begins(&(at - 1))).collect();
    let ends = starts.iter().skip(1).copied().chain([events.len()]);
    let mut problems = vec![];
    if starts.is_empty() && !events.is_empty() {
        problems.push("no run begins".to_owned());
    }
    for (from, until) in starts.iter().copied().zip(ends) {
        problems.extend(EventReader::of(&events[from..until], actions).read(&events[from..until]));
    }
    problems
}

fn time(event: &Value) -> u64 {
    let stamp: jiff::Timestamp = event["time"].as_str().unwrap().parse().unwrap();
    u64::try_from(stamp.as_nanosecond()).unwrap()
}

impl<'a> EventReader<'a> {
    fn of(events: &[Value], actions: &'a ActionLog) -> Self {
        let (from, until) = (time(&events[0]), time(&events[events.len() - 1]));
        Self {
            actions,
            from,
            until,
            config: actions.in_force(from, until),
            seen: BTreeMap::new(),
            main_stopped: false,
            begun: false,
            problems: vec![],
        }
    }

    fn read(mut self, events: &[Value]) -> Vec<String> {
        for event in events {
            let at = time(event);
            let kind = event["event"].as_str().unwrap_or_default();
            match event["name"].as_str() {
                Some(name) => {
                    self.seen.entry(name.to_owned()).or_default();
                    self.take(name, kind, at, event);
                }
                None if kind == "lifecycle:main-stopped" => self.main_stops(at),
                None => {}
            }
        }
        self.cleaned(events);
        self.problems
    }

    fn take(&mut self, name: &str, kind: &str, at: u64, event: &Value) {
        match kind {
            "start" => self.starts(name, at),
            "exit" => self.exits(name, at, event),
            "ready" => {
                let seen = self.at(name);
                (seen.was_ready, seen.is_ready) = (true, true);
            }
            "shim-gone" => self.at(name).alive = false,
            "interrupting" => self.was_interrupted(name, at),
            "killing" => self.at(name).reported = true,
            "hangup" => self.hangs_up(name, at),
            "broken" => self.at(name).given_up = Some((at, "is broken")),
            "skipped" => self.skipped(name, at, &event["why"]),
            _ => {}
        }
    }

    fn at(&mut self, name: &str) -> &mut ProcessHistory {
        self.seen.get_mut(name).unwrap()
    }

    fn problem(&mut self, at: u64, what: &str) {
        let since = at.saturating_sub(self.from) / 1_000_000;
        self.problems.push(format!("after {since} ms of the run: {what}"));
    }

    /// The value on which all possible configurations agree.
    fn agreed<T: PartialEq>(&self, name: &str, what: impl Fn(&Entry) -> T) -> Option<T> {
        agreed(&self.config, name, what)
    }

    /// Its dependencies in every possible configuration.
    fn needs(&self, name: &str) -> Vec<(&'static str, Until)> {
        let Some((first, others)) = self.config.split_first() else { return vec![] };
        let mut needs = first.needs(name);
        needs.retain(|need| others.iter().all(|config| config.needs(name).contains(need)));
        needs
    }

    fn supervisor_was_killed(&self, until: u64) -> bool {
        self.actions.supervisor_kills.iter().any(|at| (self.from..=until).contains(at))
    }

    fn ended_abruptly(&self) -> bool {
        self.actions
            .abrupt_ends
            .iter()
            .any(|at| (self.from..=self.until + 1_000_000_000).contains(at))
    }

    fn starts(&mut self, name: &str, at: u64) {
        self.begun = true;
        if self.at(name).alive
            && !self.actions.part_was_killed(name, self.from, at)
            && !self.ended_abruptly()
        {
            self.problem(at, &format!("{name} begins beside itself"));
        }
        if self.at(name).starts == 0 {
            for (on, until) in self.needs(name) {
                if !self.is_met(on, until, at) {
                    self.problem(at, &format!("{name} begins before {on} is {until}"));
                }
            }
        }
        self.again(name, at);
        if self.agreed(name, |entry| entry.phase) == Some(Phase::Cleanup) {
            self.cleans(name, at);
        }
        let seen = self.at(name);
        (seen.alive, seen.reported, seen.is_ready, seen.began) = (true, false, false, at);
        seen.starts += 1;
    }

    fn is_met(&self, on: &str, until: Until, at: u64) -> bool {
        let Some(seen) = self.seen.get(on) else { return false };
        match until {
            Until::Started => seen.starts > 0,
            Until::Completed => seen.completed,
            Until::Ready => match self.agreed(on, |entry| entry.ready.clone()) {
                Some(checks) if !checks.is_empty() => {
                    // The word may have been lost with who was to say it.
                    let never = self.agreed(on, |e| {
                        e.expected_readiness() == crate::chaos::config::Expectation::Never
                    });
                    seen.was_ready
                        || self.supervisor_was_killed(at) && never == Some(false) && seen.starts > 0
                }
                Some(_) | None => seen.starts > 0,
            },
        }
    }

    /// Whether it may start once more.
    fn again(&mut self, name: &str, at: u64) {
        let Some(restart) = self.agreed(name, |entry| entry.restart) else { return };
        let seen = self.at(name);
        let (row, since) = seen.row;
        let given_up = seen.given_up.take();
        if let Some(most) = restart.map(|r| r.max_failures).filter(|most| *most > 0)
            && row >= most
            && !self.actions.was_acted_on(name, since, at)
        {
            self.problem(at, &format!("{name} begins after {row} failures in a row, not {most}"));
        }
        if let Some((since, why)) = given_up
            && !self.actions.was_acted_on(name, since, at)
        {
            self.problem(at, &format!("{name} {why}, and begins again"));
        }
        if restart.is_none_or(|restart| restart.policy == Policy::No)
            && self.agreed(name, |e| e.failure.is_none() && !e.declared && e.live.is_none())
                == Some(true)
            && self.at(name).starts > 0
            && !self.actions.was_acted_on(name, self.at_began(name), at)
        {
            self.problem(at, &format!("{name} begins again, but nothing says so"));
        }
    }

    fn at_began(&self, name: &str) -> u64 {
        self.seen.get(name).map_or(0, |seen| seen.began)
    }

    fn cleans(&mut self, name: &str, at: u64) {
        if self.actions.was_acted_on(name, self.from, at) {
            return;
        }
        if self.at(name).starts > 0 {
            self.problem(at, &format!("{name} cleans up once more"));
        }
        let main = self.alive_of(Phase::Main);
        if !main.is_empty() {
            self.problem(at, &format!("{name} cleans up while there is {main:?}"));
        }
    }

    /// The processes of a phase that are certainly alive.
    fn alive_of(&self, phase: Phase) -> Vec<String> {
        let there = |(name, seen): &(&String, &ProcessHistory)| {
            seen.alive
                && self.agreed(name, |entry| entry.phase) == Some(phase)
                && !self.actions.part_was_killed(name, self.from, self.until)
        };
        self.seen.iter().filter(there).map(|(name, _)| name.clone()).collect()
    }

    fn exits(&mut self, name: &str, at: u64, event: &Value) {
        let code = event["code"].as_u64().and_then(|code| u8::try_from(code).ok());
        let good = |entry: &Entry| code.is_some_and(|code| entry.is_success(code));
        let some_good = self.config.iter().filter_map(|r| r.entry(name)).any(good);
        let fails = self.agreed(name, |e| !good(e) && (code.is_none() || e.soft != code));
        let stable = self.agreed(name, |e| e.restart.map(|r| r.stable.unwrap_or(60_000)));
        let error = self.agreed(name, |e| e.restart.is_some()) == Some(true);
        let seen = self.at(name);
        seen.alive = false;
        seen.is_ready = false;
        if seen.reported {
            return;
        }
        seen.completed |= some_good;
        let ran = at.saturating_sub(seen.began) / 1_000_000;
        let counts = stable.flatten().is_some_and(|stable| ran + 100 < stable);
        if some_good || !counts {
            seen.row = (0, at);
        }
        if fails == Some(true) && counts {
            seen.row = (seen.row.0 + 1, at);
        }
        if error && matches!(code, Some(126 | 127)) && !some_good {
            seen.given_up = Some((at, "can't be run"));
        }
    }

    /// No step closes a window, but a killed tmux closes all.
    fn hangs_up(&mut self, name: &str, at: u64) {
        self.at(name).reported = true;
        if !self.ended_abruptly() {
            self.problem(at, &format!("the window of {name} was closed by nobody"));
        }
    }

    /// A process that is stopped at the end of the run is needed by no living process.
    fn was_interrupted(&mut self, name: &str, at: u64) {
        self.at(name).reported = true;
        let quit = self.actions.quits.iter().any(|quit| (self.from..at).contains(quit));
        let by_itself = |e: &Entry| e.live.is_none() && e.failure.is_none() && !e.declared;
        let quiet = self.agreed(name, by_itself) == Some(true);
        if !quit && !self.main_stopped
            || !quiet
            || self.ended_abruptly()
            || self.actions.was_acted_on(name, self.from, at)
        {
            return;
        }
        let leans = |(other, seen): &(&String, &ProcessHistory)| {
            seen.alive
                && self.needs(other).iter().any(|(on, _)| on == &name)
                && !self.actions.part_was_killed(other, self.from, at)
        };
        let leaning: Vec<_> = self.seen.iter().filter(leans).map(|(n, _)| n.clone()).collect();
        if !leaning.is_empty() {
            self.problem(at, &format!("{name} is stopped before {leaning:?}, which need it"));
        }
        if self.agreed(name, |e| e.phase) == Some(Phase::Dependency) {
            let cleaning = self.alive_of(Phase::Cleanup);
            if !cleaning.is_empty() {
                self.problem(at, &format!("{name} is stopped while {cleaning:?} clean up"));
            }
        }
    }

    fn main_stops(&mut self, at: u64) {
        self.main_stopped = true;
        let main = self.alive_of(Phase::Main);
        if !main.is_empty() && !self.ended_abruptly() {
            self.problem(at, &format!("it is said that main is stopped, but there is {main:?}"));
        }
    }

    /// The reason must be valid.
    fn skipped(&mut self, name: &str, at: u64, why: &Value) {
        let on = why["on"].as_str().unwrap_or_default().to_owned();
        let needs = |config: &&Config| config.needs(name).iter().any(|(other, _)| *other == on);
        if !self.config.iter().any(needs) {
            return self.problem(at, &format!("{name} is skipped: {why}, but needs no {on}"));
        }
        let need = self.needs(name).into_iter().find(|(other, _)| *other == on);
        let Some((_, until)) = need else { return };
        let fine = self.seen.get(&on).is_some_and(|seen| {
            let there = seen.alive && !seen.reported;
            match until {
                Until::Started => there,
                Until::Ready => there && seen.is_ready,
                Until::Completed => false,
            }
        });
        if fine {
            self.problem(at, &format!("{name} is skipped: {why}, but {on} is {until}"));
        }
    }

    /// In a run that was quit, the cleanup processes have run.
    fn cleaned(&mut self, events: &[Value]) {
        let ended = events.iter().any(|event| event["event"] == "end");
        let quits = self.actions.quits.iter().filter(|at| (self.from..=self.until).contains(at));
        if !ended || !self.begun || self.ended_abruptly() || quits.count() != 1 {
            return;
        }
        let Some(first) = self.config.first() else { return };
        for entry in first.entries.iter().filter(|entry| entry.phase == Phase::Cleanup) {
            let there = self.agreed(entry.name, |e| e.phase) == Some(Phase::Cleanup);
            let touched = self.actions.was_acted_on(entry.name, self.from, self.until);
            if there && !touched && self.seen.get(entry.name).is_none_or(|seen| seen.starts == 0) {
                self.problem(self.until, &format!("{} has not cleaned up", entry.name));
            }
        }
    }
}
