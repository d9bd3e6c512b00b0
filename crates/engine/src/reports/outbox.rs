//! Work that follows from a decision and takes time: crash reports and hooks.
//!
//! It is saved with the decision and stays in the state until it is done, so an adopter does the
//! rest. Reports that were already written are found in the journal and are not written twice; an
//! interrupted hook is run again.

use std::collections::HashMap;
use std::io;

use serde::{Deserialize, Serialize};

use crate::crash::LifeSummary;
use crate::journal::read::cursor::{Cursor, Filter};
use crate::journal::read::index::IndexReader;
use crate::journal::read::query;
use crate::journal::record::EVENTS;
use crate::journal::segment::Dirs;
use crate::model::event::{Logged, What};
use crate::model::time::Timestamp;
use crate::model::{LifeId, ProcId, ProcName};
use crate::supervisor::{Crash, Effect, Proc, RunStage, Supervisor};

/// Drop a report after this many supervisors died while writing it: it may be the cause.
const MOST_TRIES: u8 = 20;
/// The most crashes to keep: a hook that never ends must not fill the state.
const MOST_CRASHES: usize = 50;

/// All unfinished work.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outbox {
    /// Crashes without a report, or whose hook has not ended.
    crashes: Vec<PendingCrash>,
    /// Stages of the run whose hook has not ended.
    #[serde(rename = "posts")]
    stages: Vec<RunStage>,
}

/// A crash that has yet to be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PendingCrash {
    pub(crate) id: ProcId,
    pub(crate) lived: LifeSummary,
    /// tmo ended the life because it had failed.
    pub(crate) failed: bool,
    /// How many supervisors have inherited it.
    tries: u8,
}

/// One piece of unfinished work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutboxItem {
    /// The report of this life, and its hook.
    Crash(ProcId, LifeId),
    /// The hook of this stage of the run.
    Stage(RunStage),
}

/// What the journal contains about a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LoggedCrash {
    /// The lines in the log about its cause.
    pub(crate) notice: bool,
    /// The event that there is a report.
    pub(crate) report: bool,
}

impl PendingCrash {
    fn new(crash: &Crash, proc: &Proc) -> Self {
        // If this life never ran, the last pid is that of an earlier life.
        let never = crash.started == crash.ended;
        let lived = LifeSummary {
            life: crash.life,
            pid: proc.last.pid.filter(|_| !never),
            started: crash.started,
            ended: crash.ended,
            exit: crash.exit,
            restarts: proc.begun.saturating_sub(1),
        };
        Self { id: crash.id, lived, failed: proc.marks.failed == Some(crash.life), tries: 0 }
    }
}

impl Outbox {
    /// Whether all work is done.
    pub fn is_empty(&self) -> bool {
        self.crashes.is_empty() && self.stages.is_empty()
    }

    /// Whether every process id in it is valid for a plan with this many processes.
    pub(crate) fn is_of(&self, processes: usize) -> bool {
        self.crashes.iter().all(|crash| crash.id.place() < processes)
    }

    fn add(&mut self, crash: PendingCrash) {
        if self.crashes.len() >= MOST_CRASHES {
            self.crashes.remove(0);
        }
        self.crashes.push(crash);
    }

    /// Count one more takeover, and drop the crashes that have seen too many.
    pub(crate) fn take_over(&mut self) {
        self.crashes.retain(|crash| crash.tries < MOST_TRIES);
        for crash in &mut self.crashes {
            crash.tries += 1;
        }
    }

    /// The unreported crash of this life, if there is one.
    pub(crate) fn crash(&self, id: ProcId, life: LifeId) -> Option<PendingCrash> {
        self.crashes.iter().find(|crash| (crash.id, crash.lived.life) == (id, life)).copied()
    }

    /// Add the work that follows from these effects of a decision. A process that keeps crashing
    /// gets no report for a crash that `is_early`; a stage of the run counts only if it `has_hook`.
    pub(crate) fn enqueue(
        &mut self,
        effects: &[Effect],
        supervisor: &Supervisor,
        is_early: impl Fn(ProcId) -> bool,
        has_hook: impl Fn(RunStage) -> bool,
    ) {
        for effect in effects {
            if let Effect::Crashed(crash) = effect
                && !is_early(crash.id)
            {
                self.add(PendingCrash::new(crash, &supervisor.procs[crash.id]));
            } else if let Effect::Reached(stage) = effect
                && has_hook(*stage)
            {
                self.stages.push(*stage);
            }
        }
    }

    /// The unfinished work, after a takeover.
    pub(crate) fn items(&self) -> (Vec<PendingCrash>, Vec<RunStage>) {
        (self.crashes.clone(), self.stages.clone())
    }

    /// Remove work that is done or dropped. Returns whether it was there.
    pub(crate) fn complete(&mut self, item: OutboxItem) -> bool {
        let before = self.crashes.len() + self.stages.len();
        match item {
            OutboxItem::Crash(id, life) => {
                self.crashes.retain(|crash| (crash.id, crash.lived.life) != (id, life));
            }
            OutboxItem::Stage(stage) => self.stages.retain(|other| *other != stage),
        }
        self.crashes.len() + self.stages.len() < before
    }
}

/// What the journal contains about crashes since `time`, by process and life.
pub(crate) fn logged_since(
    dirs: &Dirs,
    time: Timestamp,
) -> io::Result<HashMap<(ProcName, LifeId), LoggedCrash>> {
    let mut index = IndexReader::open(dirs);
    let position = query::since(&mut index, time)?;
    let mut cursor = Cursor::over(index, position, Filter::only(vec![EVENTS]));
    let (mut text, mut logged) = (vec![], HashMap::<_, LoggedCrash>::new());
    while cursor.next(u64::MAX, &mut text)?.is_some() {
        for line in text.split(|byte| *byte == b'\n') {
            let Some(event) = Logged::from_json(line) else { continue };
            let (life, is_notice) = match event.what() {
                Some(What::Crash { life, .. }) => (*life, true),
                Some(What::CrashReport { life, .. }) => (*life, false),
                _ => continue,
            };
            let Some(name) = event.name().cloned() else { continue };
            let found = logged.entry((name, life)).or_default();
            found.notice |= is_notice;
            found.report |= !is_notice;
        }
    }
    Ok(logged)
}

#[cfg(test)]
mod tests {
    use super::{MOST_TRIES, Outbox, OutboxItem, PendingCrash};
    use crate::crash::LifeSummary;
    use crate::model::time::Timestamp;
    use crate::model::{Exit, LifeId, ProcId};
    use crate::supervisor::RunStage;

    fn crash(place: usize, life: LifeId) -> PendingCrash {
        let id = ProcId::at(place);
        let [started, ended] = [1, 2].map(Timestamp::from_nanos);
        let exit = Exit::Code(1);
        let lived = LifeSummary { life, pid: None, started, ended, exit, restarts: 0 };
        PendingCrash { id, lived, failed: false, tries: 0 }
    }

    #[test]
    fn outbox_keeps_each_item_until_it_is_completed() {
        let [one, two] = [LifeId::FIRST, LifeId::nth(2)];
        let crashes = vec![crash(0, one), crash(0, two), crash(1, one)];
        let outbox = Outbox { crashes, stages: vec![RunStage::MainStarted] };
        let text = serde_json::to_string(&outbox).unwrap();
        let mut read: Outbox = serde_json::from_str(&text).unwrap();
        assert_eq!(read, outbox);
        assert_eq!(read.crash(ProcId::at(0), two), Some(crash(0, two)));
        let [web, api] = [0, 1].map(ProcId::at);
        assert!(
            read.complete(OutboxItem::Crash(web, two))
                && !read.complete(OutboxItem::Crash(web, two))
        );
        assert_eq!((read.crash(web, two), read.crash(web, one)), (None, Some(crash(0, one))));
        for item in [
            OutboxItem::Crash(web, one),
            OutboxItem::Crash(api, one),
            OutboxItem::Stage(RunStage::MainStarted),
        ] {
            assert!(!read.is_empty());
            read.complete(item);
        }
        assert!(read.is_empty());
    }

    #[test]
    fn outbox_drops_a_crash_after_too_many_tries() {
        let crash = |life| crash(7, LifeId::nth(life));
        let mut outbox = Outbox::default();
        (1..=60).for_each(|life| outbox.add(crash(life)));
        assert_eq!((outbox.crashes.len(), outbox.crashes[0]), (50, crash(11)));
        assert!(outbox.is_of(8) && !outbox.is_of(7));
        for tries in 1..=MOST_TRIES {
            outbox.take_over();
            assert!(outbox.crashes.len() == 50 && outbox.crashes[0].tries == tries);
        }
        outbox.take_over();
        assert!(outbox.is_empty());
    }
}
