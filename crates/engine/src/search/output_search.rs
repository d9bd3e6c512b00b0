//! Searching the output of processes for text that makes them ready, means a failure, or is
//! counted.
//!
//! Newly indexed output is read once more and passed to the matcher of its process. Matches reach
//! the state machine between the life entries where they belong: after the start of their life and
//! before its end.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::lag::Lag;
use super::progress::{MatchCheckpoint, SearchProgress, Upto, ends_lives};
use crate::action::Action;
use crate::commands::command::{AuxCommands, FlagHook};
use crate::crash::{OutputLine, Trigger};
use crate::journal::ingest::Ingest;
use crate::journal::read::text::IncrementalReader;
use crate::journal::record::{Kind, Record};
use crate::model::event::{Event, Trouble, What};
use crate::model::plan::rules::{FailureAction, Probe, ProcessPolicy, Reaction, Text};
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::{LifeId, ProcId, ProcName, StreamNo};
use crate::patterns::{FlagLog, Hit, Matcher, Rule};
use crate::supervisor::Input;
use crate::sys::clock;

/// How long an unfinished line must pause before it is searched like a whole line.
const QUIET: Duration = Duration::from_millis(50);

/// How long a failure is held back: the prompt of a debugger that has printed it may follow, and be noticed.
const HELD: Duration = Duration::from_millis(500);

/// A failure that a process has printed, and what follows from it.
#[derive(Debug)]
struct HeldFailure {
    rule: Rule,
    due: Instant,
    actions: Vec<Action>,
    /// What is logged instead if a debugger has printed it.
    mark: Event,
}

/// For each flag, how often it matched in the output of one read, and the last matching line.
type Matches = BTreeMap<(Option<LifeId>, usize), (u64, String)>;

/// Matches, each with its life.
type Hits = VecDeque<(Option<LifeId>, Hit)>;

/// The search in the output of one process.
#[derive(Debug)]
pub(crate) struct OutputSearch {
    pub(crate) matcher: Matcher,
    tap: IncrementalReader,
    /// The stream of standard error, if the process has one.
    stderr: Option<(StreamNo, IncrementalReader)>,
    pub(crate) life: Option<LifeId>,
    /// Matches that the state machine has not received yet, each with its life.
    pub(crate) hits: Hits,
    /// Matches in output that a killed supervisor had indexed, but perhaps not acted upon.
    pub(crate) again: Hits,
    /// How far the output was searched. All matches before that are acted upon or in `hits`.
    pub(crate) progress: SearchProgress,
    /// When to search an unfinished line.
    pub(crate) idle_due: Option<Instant>,
    /// When each flag last caused its notice or command.
    reported: HashMap<usize, Instant>,
    /// Whether the search keeps up with the output.
    pub(crate) lag: Lag,
    /// Failures that have not been acted upon yet.
    held: Vec<HeldFailure>,
}

impl OutputSearch {
    /// `None` if there is nothing to search for.
    fn new(process: &ProcessPlan, stream: StreamNo, ingest: &Ingest) -> Option<Self> {
        let rules = &process.rules;
        if !looks_for_anything(rules) {
            return None;
        }
        // The patterns were compiled when the configuration was read, so they are valid.
        let matcher =
            Matcher::new(rules).inspect_err(|error| tracing::error!(%error, "patterns")).ok()?;
        Some(Self {
            matcher,
            tap: IncrementalReader::new(ingest.dirs(), stream),
            stderr: ingest
                .stderr_of(stream)
                .map(|stderr| (stderr, IncrementalReader::new(ingest.dirs(), stderr))),
            life: None,
            hits: VecDeque::new(),
            again: VecDeque::new(),
            progress: SearchProgress::default(),
            idle_due: None,
            reported: HashMap::new(),
            lag: Lag::default(),
            held: vec![],
        })
    }

    /// Search the output of a process from its present end on; earlier output is not searched.
    /// `life` is the life that is printing it.
    pub(crate) fn begin(
        process: &ProcessPlan,
        stream: StreamNo,
        life: Option<LifeId>,
        ingest: &mut Ingest,
    ) -> Option<Box<Self>> {
        let mut search = Self::new(process, stream, ingest)?;
        ingest.listen_to(stream);
        let indexed = |stream| ingest.indexed(stream);
        let upto =
            Upto { main: indexed(stream), stderr: ingest.stderr_of(stream).map_or(0, indexed) };
        let checkpoint = MatchCheckpoint { upto, time: clock::now(), life };
        search.progress = SearchProgress::from(checkpoint, search.matcher.book());
        Some(Box::new(search))
    }

    /// Continue with the new rules of a process, in the same life.
    pub(crate) fn change_rules(
        search: &mut Option<Box<Self>>,
        before: &ProcessPolicy,
        process: &ProcessPlan,
        stream: StreamNo,
        life: Option<LifeId>,
        ingest: &mut Ingest,
    ) {
        let rules = &process.rules;
        match search {
            Some(running) if looks_for_anything(rules) => running.renew(before, rules),
            Some(_) => *search = None,
            None => {
                // Drop the records that were collected while nothing was searched.
                ingest.take_heard(stream);
                *search = Self::begin(process, stream, life, ingest);
                if let Some(search) = search {
                    search.life = life;
                    search.matcher.begin(life);
                }
            }
        }
    }

    /// Continue in the same life with other rules.
    fn renew(&mut self, before: &ProcessPolicy, rules: &ProcessPolicy) {
        // The patterns were compiled when the configuration was read, so they are valid.
        if let Err(error) = self.matcher.renew(rules) {
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

    /// Whether all matches were acted upon.
    pub(crate) fn is_settled(&self) -> bool {
        self.hits.is_empty() && self.again.is_empty() && self.held.is_empty()
    }

    /// When to act upon a failure.
    pub(crate) fn held_due(&self) -> Option<Instant> {
        self.held.iter().map(|failure| failure.due).min()
    }

    /// What follows from the failures that were held back. What a debugger has printed is only marked.
    pub(crate) fn release(&mut self, is_answer: bool) -> Vec<Action> {
        let mut actions = vec![];
        for failure in std::mem::take(&mut self.held) {
            if is_answer {
                self.matcher.search_again(failure.rule);
                actions.push(Action::Log(failure.mark));
            } else {
                actions.extend(failure.actions);
            }
        }
        actions
    }

    /// Search the unfinished line as it is: later output does not continue it.
    pub(crate) fn leave_line(&mut self) {
        let hits = self.matcher.finish();
        self.found(hits);
    }

    fn found(&mut self, hits: Vec<Hit>) {
        let life = self.life;
        self.hits.extend(hits.into_iter().map(|hit| (life, hit)));
    }

    /// Search the output that was just indexed.
    pub(crate) fn search_new(
        &mut self,
        id: ProcId,
        stream: StreamNo,
        rules: &ProcessPolicy,
        ingest: &mut Ingest,
    ) -> Vec<Action> {
        let records = ingest.take_heard(stream);
        if !records.is_empty() {
            self.idle_due = None;
        }
        let mut searched = records.iter().try_for_each(|record| self.search_record(record));
        for stream in std::iter::once(stream).chain(ingest.stderr_of(stream)) {
            if searched.is_ok()
                && !self.lag.skips()
                && let Some((start, end)) = ingest.partial(stream)
            {
                searched = self.search_partial(stream, (start, end));
            }
        }
        let unsearched = searched.err().map(|error| Trouble::Unsearched(error.to_string()));
        let mut actions: Vec<_> =
            unsearched.map(|what| Action::Trouble(id, what)).into_iter().collect();
        actions.extend(self.slow_patterns(id));
        // Otherwise an adopter would have to search everything since the last save again.
        if (!rules.flags.is_empty() || ends_lives(rules)) && self.progress.is_due() {
            actions.push(Action::Save);
        }
        actions
    }

    /// An unfinished line has paused: search it.
    pub(crate) fn search_idle(&mut self, id: ProcId) -> Vec<Action> {
        self.idle_due = None;
        let hits = self.matcher.idle();
        self.found(hits);
        self.slow_patterns(id)
    }

    /// Log which patterns were too slow for some line.
    fn slow_patterns(&mut self, id: ProcId) -> Vec<Action> {
        let slow = self.matcher.take_slow().into_iter();
        slow.map(|pattern| Action::Trouble(id, Trouble::SlowPattern { pattern })).collect()
    }

    /// What follows from the matches of lives up to this one.
    pub(crate) fn take_matches(
        &mut self,
        id: ProcId,
        upto: Option<LifeId>,
        plan: &Plan,
        commands: &AuxCommands,
    ) -> Vec<Action> {
        let process = &plan.processes[id];
        let mut actions = vec![];
        while let Some((life, hit)) = next(&mut self.again, upto) {
            actions.extend(self.matched(id, life, hit, process));
        }
        let mut matches = Matches::new();
        while let Some((life, hit)) = next(&mut self.hits, upto) {
            if let Rule::Flag(number) = hit.rule {
                let (count, line) = matches.entry((life, number)).or_default();
                *count += 1;
                line.clone_from(&hit.line);
            }
            actions.extend(self.matched(id, life, hit, process));
        }
        actions.extend(self.on_flags(id, matches, plan, commands));
        actions
    }

    /// What follows at once from a match. A failure is held back.
    fn matched(
        &mut self,
        id: ProcId,
        life: Option<LifeId>,
        hit: Hit,
        process: &ProcessPlan,
    ) -> Vec<Action> {
        let (rule, line, due) = (hit.rule, hit.line.clone(), Instant::now() + HELD);
        let actions = on_hit(id, life, hit, &process.rules);
        let Some(Action::Blame(_, _, Trigger::FailurePattern { pattern, .. })) = actions.first()
        else {
            return actions;
        };
        let mark = flag_event(&process.name, &pattern.pattern, None, (life, 1, &line));
        self.held.push(HeldFailure { rule, due, actions, mark });
        vec![]
    }

    /// Flags have matched: log each flag once per read, show it, and run its command.
    fn on_flags(
        &mut self,
        id: ProcId,
        matches: Matches,
        plan: &Plan,
        commands: &AuxCommands,
    ) -> Vec<Action> {
        let process = &plan.processes[id];
        let mut actions = vec![];
        for ((life, number), (count, line)) in matches {
            let Some(flag) = process.rules.flags.get(number) else { continue };
            let event =
                flag_event(&process.name, &flag.name, self.matcher.book().flags().get(number), {
                    (life, count, &line)
                });
            let data = serde_json::to_value(&event).unwrap_or_default();
            actions.push(Action::Log(event));
            let (now, pause) = (Instant::now(), Duration::from_millis(flag.every_ms));
            let is_early = self.reported.get(&number).is_some_and(|last| now - *last < pause);
            if !is_early {
                self.reported.insert(number, now);
            }
            if flag.notify && !is_early {
                let title = format!("{}: {}", process.name, flag.name);
                actions.push(Action::Notify { title, text: line });
            }
            if let Some(command) = &flag.on_match {
                let mut command = commands.of_event(plan, command, "flag:matched", &data);
                command.set("TMO_PROCESS", process.name.as_str());
                command.set("TMO_FLAG", &flag.name);
                let flag = (id, flag.name.clone());
                actions.push(Action::RunFlagHook(Box::new(FlagHook { flag, is_early, command })));
            }
        }
        actions
    }

    /// Skip output if the search can't keep up with it. `backlog` bytes wait, `most` are allowed;
    /// searching them takes the time `takes`, which is `None` unless the search is slow.
    pub(crate) fn keep_up(
        &mut self,
        id: ProcId,
        (backlog, most): (u64, u64),
        takes: Option<Duration>,
    ) -> Vec<Action> {
        if !self.lag.begins(backlog, most, takes, Instant::now()) {
            return vec![];
        }
        let is_news = self.lag.tell_due.is_none();
        self.leave_line();
        if is_news { vec![Action::Trouble(id, Trouble::NotKeptUp)] } else { vec![] }
    }

    /// Resume the search if output was skipped up to its end.
    pub(crate) fn caught_up(&mut self, id: ProcId) -> Vec<Action> {
        if !self.lag.skips() {
            return vec![];
        }
        self.lag.ends();
        self.report_skipped(id)
    }

    /// Log how much was not searched, unless that was logged recently.
    pub(crate) fn report_skipped(&mut self, id: ProcId) -> Vec<Action> {
        let skipped = self.lag.take_report(Instant::now());
        let action = skipped.map(|bytes| Action::Trouble(id, Trouble::Skipped { bytes }));
        action.into_iter().collect()
    }

    fn search_record(&mut self, record: &Record) -> std::io::Result<()> {
        match record.kind {
            Kind::Start => {
                self.life = record.life;
                self.matcher.begin(record.life);
            }
            Kind::Text => self.search_text(record)?,
            Kind::Exit | Kind::End => {
                self.leave_line();
                // Output that was skipped is reported at the latest when its life ends.
                self.lag.tell_due = self.lag.tell_due.map(|_| Instant::now());
            }
            Kind::Gap | Kind::Event => {}
        }
        let is_stderr = self.is_stderr(record.stream);
        self.progress.passed(record, is_stderr, self.matcher.book());
        Ok(())
    }

    fn search_text(&mut self, record: &Record) -> std::io::Result<()> {
        if self.lag.skips() {
            self.lag.skip(record.len.into());
            tap(&mut self.tap, &mut self.stderr, record.stream).skip_to(record.end());
            return Ok(());
        }
        self.matcher.at(record.time);
        self.matcher.feed_stderr(self.is_stderr(record.stream));
        let tap = tap(&mut self.tap, &mut self.stderr, record.stream);
        let text = tap.record(record)?;
        let hits = self.matcher.feed(text);
        self.found(hits);
        Ok(())
    }

    pub(crate) fn is_stderr(&self, stream: StreamNo) -> bool {
        self.stderr.as_ref().is_some_and(|(stderr, _)| *stderr == stream)
    }

    /// Search the present part of an unfinished line.
    fn search_partial(
        &mut self,
        stream: StreamNo,
        (start, end): (u64, u64),
    ) -> std::io::Result<()> {
        self.matcher.feed_stderr(self.is_stderr(stream));
        let text = tap(&mut self.tap, &mut self.stderr, stream).range(start, end)?;
        if !text.is_empty() {
            let hits = self.matcher.feed(text);
            self.found(hits);
            self.idle_due = Some(Instant::now() + QUIET);
        }
        Ok(())
    }
}

fn tap<'a>(
    main: &'a mut IncrementalReader,
    stderr: &'a mut Option<(StreamNo, IncrementalReader)>,
    stream: StreamNo,
) -> &'a mut IncrementalReader {
    match stderr {
        Some((number, stderr)) if *number == stream => stderr,
        Some(_) | None => main,
    }
}

/// Take the next match of lives up to this one.
fn next(hits: &mut Hits, upto: Option<LifeId>) -> Option<(Option<LifeId>, Hit)> {
    hits.front().filter(|(life, _)| *life <= upto)?;
    hits.pop_front()
}

/// What follows from a match.
fn on_hit(
    id: ProcId,
    life: Option<LifeId>,
    Hit { rule, line }: Hit,
    rules: &ProcessPolicy,
) -> Vec<Action> {
    let Some(life) = life else { return vec![] };
    let failing = |text: &Text, action: FailureAction| {
        let found = OutputLine { text: line.clone(), ..OutputLine::default() };
        let trigger = Trigger::FailurePattern { pattern: text.clone(), line: found };
        let input = Input::Failing(id, life, action, line.clone());
        vec![Action::Blame(id, life, trigger), Action::Decide(input)]
    };
    let failure = |number: usize| {
        let found = rules.failures.get(number)?;
        Some(failing(&found.text, found.action))
    };
    let flag = |number: usize| {
        let flag = rules.flags.get(number)?;
        match flag.action {
            Reaction::Break => Some(failing(&flag.text, FailureAction::Break)),
            Reaction::Restart => Some(failing(&flag.text, FailureAction::Restart)),
            Reaction::Notify => None,
        }
    };
    match rule {
        Rule::Ready(check) => vec![Action::Decide(Input::Passed(id, life, check))],
        Rule::Failure(number) => failure(number).unwrap_or_default(),
        Rule::Flag(number) => flag(number).unwrap_or_default(),
    }
}

/// The event that a flag has matched `count` times in one read, `line` being the last matching line.
fn flag_event(
    name: &ProcName,
    flag: &str,
    log: Option<&FlagLog>,
    (life, count, line): (Option<LifeId>, u64, &str),
) -> Event {
    let last = log.and_then(|log| log.last(1).next()).filter(|last| last.line == *line);
    Event::of_process(
        name,
        What::Flag {
            life,
            flag: flag.to_owned(),
            line: line.to_owned(),
            count,
            total: log.map(|log| log.count),
            before: last.map(|last| last.before.clone()).unwrap_or_default(),
            after: last.map(|last| last.after.clone()).unwrap_or_default(),
        },
    )
}

fn looks_for_anything(rules: &ProcessPolicy) -> bool {
    let by_log = rules.ready.iter().any(|check| matches!(check.probe, Probe::Log(_)));
    by_log || !rules.failures.is_empty() || !rules.flags.is_empty()
}

/// The number of a rule in the new rules, if it is still there.
fn renumber(rule: Rule, before: &ProcessPolicy, rules: &ProcessPolicy) -> Option<Rule> {
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
