//! Searching the output of processes for text that makes them ready, means a failure, or is
//! counted.
//!
//! Newly indexed output is read once more and passed to the watcher of its process. Matches reach
//! the state machine between the life entries where they belong: after the start of their life and
//! before its end.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::core::Engine;
use super::flags::{Count, Matches};
use super::lag::Lag;
use super::looked::Looking;
use crate::crash::{Line, Trigger};
use crate::journal::cursor::{Cursor, Filter};
use crate::journal::query;
use crate::journal::reader::IndexReader;
use crate::journal::record::{Kind, Record};
use crate::journal::tap::Tap;
use crate::model::event::Trouble;
use crate::model::plan::ProcessPlan;
use crate::model::rules::{Action, FailureAction, Probe, Rules};
use crate::model::{LifeId, ProcId};
use crate::supervisor::{Input, Phase, Ready};
use crate::sys::clock;
use crate::watch::{Hit, Rule, Watcher};

/// How long an unfinished line must pause before it is searched like a whole line.
const QUIET: Duration = Duration::from_millis(50);

/// The search in the output of one process.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) watcher: Watcher,
    tap: Tap,
    pub(super) life: Option<LifeId>,
    /// Matches that the state machine has not received yet, each with its life.
    pub(super) hits: VecDeque<(Option<LifeId>, Hit)>,
    /// Matches in output that a killed supervisor had indexed, but perhaps not acted upon.
    pub(super) again: VecDeque<(Option<LifeId>, Hit)>,
    /// The position up to which the output was searched. All matches before it are acted upon or in
    /// `hits`.
    pub(super) looked: Looking,
    /// When to search an unfinished line.
    pub(super) idle_due: Option<Instant>,
    /// When each flag last caused its notice or command.
    pub(super) reported: HashMap<usize, Instant>,
    /// The counts of its flags.
    pub(super) count: Count,
    /// Whether the search keeps up with the output.
    pub(super) lag: Lag,
}

impl Watch {
    /// `None` if there is nothing to search for.
    fn new(process: &ProcessPlan, tap: Tap) -> Option<Self> {
        let rules = &process.rules;
        if !looks_for_anything(rules) {
            return None;
        }
        // The patterns were compiled when the configuration was read, so they are valid.
        let watcher =
            Watcher::new(rules).inspect_err(|error| tracing::error!(%error, "patterns")).ok()?;
        Some(Self {
            watcher,
            tap,
            life: None,
            hits: VecDeque::new(),
            again: VecDeque::new(),
            looked: Looking::default(),
            idle_due: None,
            reported: HashMap::new(),
            count: Count::default(),
            lag: Lag::default(),
        })
    }

    /// Continue in the same life with other rules.
    fn renew(&mut self, before: &Rules, rules: &Rules) {
        // The patterns were compiled when the configuration was read, so they are valid.
        if let Err(error) = self.watcher.renew(rules) {
            return tracing::error!(%error, "patterns");
        }
        let hits = std::mem::take(&mut self.hits).into_iter();
        self.hits = hits
            .filter_map(|(life, hit)| {
                let rule = renumber(hit.rule, before, rules)?;
                Some((life, Hit { rule, ..hit }))
            })
            .collect();
    }

    /// Search the unfinished line as it is: later output does not continue it.
    pub(super) fn leave_line(&mut self) {
        let hits = self.watcher.finish();
        self.found(hits);
    }

    fn found(&mut self, hits: Vec<Hit>) {
        let life = self.life;
        self.hits.extend(hits.into_iter().map(|hit| (life, hit)));
    }

    /// Search one record.
    fn hear(&mut self, record: &Record) -> std::io::Result<()> {
        match record.kind {
            Kind::Start => {
                self.life = record.life;
                self.watcher.begin(record.life);
            }
            Kind::Text => self.hear_text(record)?,
            Kind::Exit | Kind::End => {
                self.leave_line();
                // Output of a life that was not searched is reported when the life ends.
                self.lag.tell_due = self.lag.tell_due.map(|_| Instant::now());
            }
            Kind::Gap | Kind::Event => {}
        }
        self.count.passed(record, self.watcher.book());
        self.looked.passed(record);
        Ok(())
    }

    fn hear_text(&mut self, record: &Record) -> std::io::Result<()> {
        if self.lag.skips() {
            self.lag.skip(record.len.into());
            self.tap.skip_to(record.end());
            return Ok(());
        }
        self.watcher.at(record.time);
        let text = self.tap.record(record)?;
        let hits = self.watcher.feed(text);
        self.found(hits);
        Ok(())
    }

    /// Search the present part of an unfinished line.
    fn hear_partial(&mut self, start: u64, end: u64) -> std::io::Result<()> {
        let text = self.tap.range(start, end)?;
        if !text.is_empty() {
            let hits = self.watcher.feed(text);
            self.found(hits);
            self.idle_due = Some(Instant::now() + QUIET);
        }
        Ok(())
    }
}

fn looks_for_anything(rules: &Rules) -> bool {
    let by_log = rules.ready.iter().any(|check| matches!(check.probe, Probe::Log(_)));
    by_log || !rules.failures.is_empty() || !rules.flags.is_empty()
}

/// The number of a rule in the new rules, if it is still there.
fn renumber(rule: Rule, before: &Rules, rules: &Rules) -> Option<Rule> {
    fn place<T: PartialEq>(number: usize, before: &[T], now: &[T]) -> Option<usize> {
        let old = before.get(number)?;
        now.iter().position(|new| new == old)
    }
    match rule {
        Rule::Ready(n) => place(n, &before.ready, &rules.ready).map(Rule::Ready),
        Rule::Failure(n) => place(n, &before.failures, &rules.failures).map(Rule::Failure),
        Rule::Flag(n) => place(n, &before.flags, &rules.flags).map(Rule::Flag),
    }
}

impl Engine {
    /// Search the output of a process from now on.
    pub(super) fn watch(&mut self, id: ProcId) {
        let stream = self.panes[id].stream;
        let tap = Tap::new(self.ingest.dirs(), stream);
        let mut watch = Watch::new(&self.plan.processes[id], tap);
        if let Some(watch) = &mut watch {
            self.ingest.listen_to(stream);
            // Earlier output is not searched.
            let upto = self.ingest.indexed(stream);
            watch.count = Count::from(upto, clock::now(), watch.watcher.book());
        }
        self.panes[id].watch = watch.map(Box::new);
        self.look_from(id, clock::now());
    }

    /// Search with other rules, in the output from now on.
    pub(super) fn watch_anew(&mut self, id: ProcId, before: &Rules) {
        let rules = &self.plan.processes[id].rules;
        match &mut self.panes[id].watch {
            Some(watch) if looks_for_anything(rules) => watch.renew(before, rules),
            Some(_) => self.panes[id].watch = None,
            None => {
                // Drop the records that were collected while nothing was searched.
                self.ingest.take_heard(self.panes[id].stream);
                self.watch(id);
                let life = self.saved.supervisor.procs[id].current_life();
                if let Some(watch) = &mut self.panes[id].watch {
                    watch.life = life;
                    watch.watcher.begin(life);
                }
            }
        }
    }

    /// Search the output that was just indexed.
    pub(super) fn hear(&mut self, id: ProcId) {
        let Self { panes, ingest, .. } = self;
        let pane = &mut panes[id];
        let Some(watch) = &mut pane.watch else { return };
        let records = ingest.take_heard(pane.stream);
        if !records.is_empty() {
            watch.idle_due = None;
        }
        let mut heard = records.iter().try_for_each(|record| watch.hear(record));
        if heard.is_ok()
            && !watch.lag.skips()
            && let Some((start, end)) = ingest.partial(pane.stream)
        {
            heard = watch.hear_partial(start, end);
        }
        if let Err(error) = heard {
            self.trouble(id, Trouble::Unsearched(error.to_string()));
        }
        self.tell_slow(id);
        self.mind_counts(id);
        self.mind_looked(id);
    }

    /// Log which patterns were too slow for some line.
    fn tell_slow(&mut self, id: ProcId) {
        let watch = self.panes[id].watch.as_mut();
        for pattern in watch.map(|watch| watch.watcher.take_slow()).unwrap_or_default() {
            self.trouble(id, Trouble::SlowPattern { pattern });
        }
    }

    /// An unfinished line has paused: search it.
    pub(super) fn heard_nothing(&mut self, id: ProcId) {
        if let Some(watch) = &mut self.panes[id].watch {
            watch.idle_due = None;
            let hits = watch.watcher.idle();
            watch.found(hits);
            self.tell_slow(id);
            self.tell_hits(id, None);
        }
    }

    /// Pass the matches of lives up to this one, or of all lives, to the state machine.
    pub(super) fn tell_hits(&mut self, id: ProcId, upto: Option<LifeId>) {
        let current = self.saved.supervisor.procs[id].current_life();
        let upto = upto.map_or(current, |life| current.min(Some(life)));
        while let Some((life, hit)) = self.next_again(id, upto) {
            self.tell_hit(id, life, hit);
        }
        let mut matches = Matches::new();
        while let Some((life, hit)) = self.next_hit(id, upto) {
            if let Rule::Flag(number) = hit.rule {
                let (count, line) = matches.entry((life, number)).or_default();
                *count += 1;
                line.clone_from(&hit.line);
            }
            self.tell_hit(id, life, hit);
        }
        self.flagged(id, matches);
    }

    fn next_again(&mut self, id: ProcId, upto: Option<LifeId>) -> Option<(Option<LifeId>, Hit)> {
        let watch = self.panes[id].watch.as_mut()?;
        watch.again.front().filter(|(life, _)| *life <= upto)?;
        watch.again.pop_front()
    }

    fn next_hit(&mut self, id: ProcId, upto: Option<LifeId>) -> Option<(Option<LifeId>, Hit)> {
        let watch = self.panes[id].watch.as_mut()?;
        watch.hits.front().filter(|(life, _)| *life <= upto)?;
        watch.hits.pop_front()
    }

    fn tell_hit(&mut self, id: ProcId, life: Option<LifeId>, Hit { rule, line }: Hit) {
        let Some(life) = life else { return };
        let rules = &self.plan.processes[id].rules;
        let failing = |action| Input::Failing(id, life, action, line.clone());
        let input = match rule {
            Rule::Ready(check) => Some(Input::Passed(id, life, check)),
            Rule::Failure(number) => rules.failures.get(number).map(|f| failing(f.action)),
            Rule::Flag(number) => match rules.flags.get(number).map(|flag| flag.action) {
                Some(Action::Break) => Some(failing(FailureAction::Break)),
                Some(Action::Restart) => Some(failing(FailureAction::Restart)),
                Some(Action::Notify) | None => None,
            },
        };
        if let Some(input) = input {
            if matches!(input, Input::Failing(..)) {
                let text = match rule {
                    Rule::Failure(number) => rules.failures.get(number).map(|f| f.text.clone()),
                    Rule::Flag(number) => rules.flags.get(number).map(|flag| flag.text.clone()),
                    Rule::Ready(_) => None,
                };
                if let Some(pattern) = text {
                    let line = Line { text: line.clone(), ..Line::default() };
                    self.blame(id, life, Trigger::FailurePattern { pattern, line });
                }
            }
            self.decide(input);
        }
    }

    /// After a takeover, restore the current life of the watcher and, if that life is not ready
    /// yet, search its output again: the killed supervisor may have read the line that makes it
    /// ready, and even its start, without acting upon it.
    pub(super) fn recall_output(&mut self, id: ProcId) -> std::io::Result<()> {
        let proc = &self.saved.supervisor.procs[id];
        let (life, since) = (proc.current_life(), proc.since);
        let waits = match (&proc.phase, &proc.ready) {
            (Phase::Starting { .. }, _) | (Phase::Running { .. }, Ready::Waiting { .. }) => true,
            (Phase::Running { .. }, Ready::Yes { .. } | Ready::No { .. })
            | (
                Phase::Pending | Phase::Ending { .. } | Phase::Stuck { .. } | Phase::Over { .. },
                _,
            ) => false,
        };
        let stream = self.panes[id].stream;
        let Some(watch) = &mut self.panes[id].watch else { return Ok(()) };
        (watch.life, watch.idle_due) = (life, None);
        watch.watcher.begin(life);
        if !waits {
            return Ok(());
        }
        let mut index = IndexReader::open(self.ingest.dirs());
        let position = query::since(&mut index, since)?;
        let mut cursor = Cursor::over(index, position, Filter::only(vec![stream]));
        let mut text = vec![];
        while let Some(chunk) = cursor.next(u64::MAX, &mut text)? {
            let hits = match chunk.record.kind {
                // The start of the current life itself may lie just before this position.
                Kind::Start => {
                    watch.life = chunk.record.life;
                    watch.watcher.begin(chunk.record.life);
                    continue;
                }
                Kind::Text => watch.watcher.feed(&text),
                Kind::Exit | Kind::End => watch.watcher.finish(),
                Kind::Gap | Kind::Event => continue,
            };
            // Failures are not taken from here: `recall_failures` finds those that were not acted
            // upon.
            let ready = hits.into_iter().filter(|hit| matches!(hit.rule, Rule::Ready(_)));
            watch.found(ready.collect());
        }
        Ok(())
    }
}
