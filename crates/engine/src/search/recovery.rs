//! Continuing the search in the output of processes where a killed supervisor stopped.
//!
//! Output is indexed before its matches are acted upon, and a supervisor may be killed in between.
//! So the state contains, for each process, the position up to which matches were acted upon, and
//! the counts of its flags with the position that they include. An adopter searches the output that
//! was indexed after them.

use super::output_search::OutputSearch;
use super::progress::{MatchCheckpoint, SavedCounts, SearchProgress, Upto, ends_lives};
use crate::journal::read::cursor::{Cursor, Filter};
use crate::journal::read::index::IndexReader;
use crate::journal::read::query;
use crate::journal::record::{Kind, Record};
use crate::journal::segment::Dirs;
use crate::model::plan::rules::{ProcessPolicy, Reaction};
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::time::Timestamp;
use crate::model::{LifeId, StreamNo};
use crate::panes::state::PaneState;
use crate::patterns::{Hit, Matcher, Rule};
use crate::persisted_state::PersistedState;
use crate::supervisor::{Phase, Proc};

/// The indexed output of one process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output<'a> {
    pub(crate) dirs: &'a Dirs,
    pub(crate) stream: StreamNo,
    /// The stream of standard error, if there is one.
    pub(crate) stderr: Option<StreamNo>,
    /// When the run began; earlier output belongs to other runs.
    pub(crate) began: Timestamp,
    /// The lives whose output is not searched.
    pub(crate) ignored: &'a [LifeId],
}

impl Output<'_> {
    /// Have a matcher search the output since a time, without that before these offsets. `each` is given each
    /// record, whether it is of standard error, and its matches.
    fn search(
        self,
        matcher: &mut Matcher,
        (since, upto): (Timestamp, Upto),
        mut each: impl FnMut(&Matcher, &Record, bool, Vec<Hit>),
    ) -> std::io::Result<()> {
        let mut index = IndexReader::open(self.dirs);
        let position = query::since(&mut index, since)?;
        let filter = Filter::only(std::iter::once(self.stream).chain(self.stderr).collect());
        // As in a run, drawings are searched, too.
        let mut cursor = Cursor::over(index, position, filter).with_drawings();
        let mut text = vec![];
        while let Some(chunk) = cursor.next(u64::MAX, &mut text)? {
            let record = chunk.record;
            let is_stderr = self.stderr == Some(record.stream);
            let hits = match record.kind {
                Kind::Text if upto.includes(&record, is_stderr) => continue,
                Kind::Text => {
                    matcher.feed_stderr(is_stderr);
                    matcher.at(record.time);
                    matcher.feed(&text)
                }
                Kind::Start => {
                    matcher.begin(record.life);
                    vec![]
                }
                Kind::Exit | Kind::End => matcher.finish(),
                Kind::Gap | Kind::Event => vec![],
            };
            each(&*matcher, &record, is_stderr, hits);
        }
        Ok(())
    }
}

/// Add the present positions and counts to the state to be saved.
pub(crate) fn save(panes: &mut [PaneState], plan: &Plan, state: &mut PersistedState) {
    for (pane, process) in panes.iter_mut().zip(&plan.processes) {
        let Some(search) = &mut pane.search else { continue };
        let name = process.name.as_str();
        if search.progress.save() && !process.rules.flags.is_empty() {
            state.flag_counts.insert(name.to_owned(), search.progress.counts());
        }
        if !ends_lives(&process.rules) {
            state.match_checkpoints.remove(name);
        } else if search.is_settled() {
            state.match_checkpoints.insert(name.to_owned(), search.progress.now);
        }
    }
}

impl OutputSearch {
    /// Continue after a takeover.
    pub(crate) fn recall(
        &mut self,
        proc: &Proc,
        process: &ProcessPlan,
        state: &PersistedState,
        output: Output<'_>,
    ) -> std::io::Result<()> {
        self.recall_readiness(proc, output)?;
        let name = process.name.as_str();
        let counts = state.flag_counts.get(name).cloned().unwrap_or_default();
        self.recall_counts(&counts, process, output)?;
        match state.match_checkpoints.get(name) {
            Some(checkpoint) => self.recall_failures(*checkpoint, process, output),
            None => Ok(()),
        }
    }

    /// After a takeover, restore the current life of the matcher and, if that life is not ready
    /// yet, search its output again: the killed supervisor may have read the line that makes it
    /// ready, and even its start, without acting upon it.
    fn recall_readiness(&mut self, proc: &Proc, output: Output<'_>) -> std::io::Result<()> {
        let (life, since) = (proc.current_life(), proc.since);
        self.matcher.ignore(proc.installation.lives());
        let waits = matches!(proc.phase, Phase::Starting { .. })
            || matches!(proc.phase, Phase::Running { .. }) && proc.ready.passed().is_some();
        (self.life, self.idle_due) = (life, None);
        self.matcher.begin(life);
        if !waits {
            return Ok(());
        }
        let Self { matcher, life, hits, .. } = self;
        output.search(matcher, (since, Upto::default()), |_, record, _, found| {
            // The start of the current life itself may lie just before this position.
            if record.kind == Kind::Start {
                *life = record.life;
            }
            // Failures are not taken from here: `recall_failures` finds those that were not acted
            // upon.
            let ready = found.into_iter().filter(|hit| matches!(hit.rule, Rule::Ready(_)));
            hits.extend(ready.map(|hit| (*life, hit)));
        })
    }

    /// After a takeover, restore the saved counts and count in the output that was indexed since.
    /// Notifications and commands for these matches were handled when they occurred.
    fn recall_counts(
        &mut self,
        before: &SavedCounts,
        process: &ProcessPlan,
        output: Output<'_>,
    ) -> std::io::Result<()> {
        let flags = process.rules.flags.clone();
        let rules = ProcessPolicy { flags, ..ProcessPolicy::default() };
        let Ok(mut counter) = Matcher::new(&rules) else { return Ok(()) };
        counter.book_mut().restore(&before.book);
        counter.ignore(output.ignored);
        counter.begin(self.life);
        let from = MatchCheckpoint { upto: before.upto, time: before.time, life: self.life };
        self.progress = SearchProgress::from(from, counter.book());
        if rules.flags.is_empty() {
            return Ok(());
        }
        let progress = &mut self.progress;
        let since = before.time.max(output.began);
        output.search(&mut counter, (since, before.upto), |counter, record, is_stderr, _| {
            progress.passed(record, is_stderr, counter.book());
        })?;
        self.matcher.book_mut().restore(counter.book());
        Ok(())
    }

    /// Find the matches in output that a killed supervisor had indexed, but perhaps not acted upon.
    fn recall_failures(
        &mut self,
        from: MatchCheckpoint,
        process: &ProcessPlan,
        output: Output<'_>,
    ) -> std::io::Result<()> {
        if !ends_lives(&process.rules) {
            return Ok(());
        }
        // Copy the complete lists, so that the numbers of the rules stay the same.
        let (failures, flags) = (process.rules.failures.clone(), process.rules.flags.clone());
        let rules = ProcessPolicy { failures, flags, ..ProcessPolicy::default() };
        let Ok(mut matcher) = Matcher::new(&rules) else { return Ok(()) };
        let mut life = from.life;
        matcher.ignore(output.ignored);
        matcher.begin(life);
        // With flags, the search for their counts has come to the same end already.
        let has_counted = !rules.flags.is_empty();
        if !has_counted {
            self.progress = SearchProgress::from(from, matcher.book());
        }
        let Self { progress, again, .. } = self;
        let since = from.time.max(output.began);
        output.search(&mut matcher, (since, from.upto), |matcher, record, is_stderr, hits| {
            if record.kind == Kind::Start {
                life = record.life;
            }
            if !has_counted {
                progress.passed(record, is_stderr, matcher.book());
            }
            let hits = hits.into_iter().filter(|hit| match &hit.rule {
                Rule::Failure(_) => true,
                Rule::Flag(number) => {
                    rules.flags.get(*number).is_some_and(|flag| flag.action != Reaction::Notify)
                }
                Rule::Ready(_) => false,
            });
            again.extend(hits.map(|hit| (life, hit)));
        })?;
        progress.now.life = life;
        Ok(())
    }
}
