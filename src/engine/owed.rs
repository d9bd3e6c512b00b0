//! Work that follows from a decision and takes time: crash reports and hooks.
//!
//! It is saved with the decision and stays in the state until it is done, so an adopter does the
//! rest. Reports that were already written are found in the journal and are not written twice; an
//! interrupted hook is run again.

use std::collections::HashSet;
use std::io;

use serde::{Deserialize, Serialize};

use super::core::Engine;
use crate::crash::Lived;
use crate::journal::cursor::{Cursor, Filter};
use crate::journal::query;
use crate::journal::reader::IndexReader;
use crate::journal::record::EVENTS;
use crate::model::event::{Logged, What};
use crate::model::time::Timestamp;
use crate::model::{LifeId, ProcId, ProcName};
use crate::supervisor::{Effect, Milepost};

/// Drop a report after this many supervisors died while writing it: it may be the cause.
const MOST_TRIES: u8 = 20;
/// The most crashes to keep: a hook that never ends must not fill the state.
const MOST_CRASHES: usize = 50;

/// All unfinished work.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Owed {
    /// Crashes without a report, or whose hook has not ended.
    crashes: Vec<OwedCrash>,
    /// Mileposts whose hook has not ended.
    posts: Vec<Milepost>,
}

/// A crash that has yet to be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwedCrash {
    /// The process.
    pub(super) id: ProcId,
    /// The life.
    pub(super) lived: Lived,
    /// tmo ended the life because it had failed.
    pub(super) failed: bool,
    /// How many supervisors have inherited it.
    #[serde(default)]
    tries: u8,
}

/// One piece of unfinished work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Debt {
    /// The report of this life, and its hook.
    Crash(ProcId, LifeId),
    /// The hook of this milepost.
    Post(Milepost),
}

/// A part of what the journal contains about a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Written {
    /// The lines in the log about its cause.
    Notice,
    /// The event that there is a report.
    Report,
}

impl Owed {
    /// Whether all work is done.
    pub fn is_empty(&self) -> bool {
        self.crashes.is_empty() && self.posts.is_empty()
    }

    /// Whether it refers only to processes of a plan with this many of them.
    pub(super) fn is_of(&self, processes: usize) -> bool {
        self.crashes.iter().all(|owed| owed.id.place() < processes)
    }

    fn add(&mut self, crash: OwedCrash) {
        if self.crashes.len() >= MOST_CRASHES {
            self.crashes.remove(0);
        }
        self.crashes.push(crash);
    }

    /// Count one more takeover, and drop the crashes that have seen too many.
    fn take_over(&mut self) {
        self.crashes.retain(|owed| owed.tries < MOST_TRIES);
        for owed in &mut self.crashes {
            owed.tries += 1;
        }
    }

    /// The unreported crash of this life, if there is one.
    pub(super) fn crash(&self, id: ProcId, life: LifeId) -> Option<OwedCrash> {
        let is_it = |owed: &&OwedCrash| (owed.id, owed.lived.life) == (id, life);
        self.crashes.iter().find(is_it).copied()
    }

    /// Remove work that is done or dropped. Returns whether it was there.
    pub(super) fn settle(&mut self, debt: Debt) -> bool {
        let before = self.crashes.len() + self.posts.len();
        match debt {
            Debt::Crash(id, life) => {
                self.crashes.retain(|owed| (owed.id, owed.lived.life) != (id, life));
            }
            Debt::Post(post) => self.posts.retain(|owed| *owed != post),
        }
        self.crashes.len() + self.posts.len() < before
    }
}

impl Engine {
    /// Add the work that follows from these effects to the state that is saved with them.
    pub(super) fn owe(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Crashed(crash) = effect {
                if self.rests(crash.id) {
                    continue;
                }
                let proc = &self.saved.supervisor.procs[crash.id];
                // If this life never ran, the last pid is that of an earlier life.
                let never = crash.started == crash.ended;
                let lived = Lived {
                    life: crash.life,
                    pid: proc.last_pid.filter(|_| !never),
                    started: crash.started,
                    ended: crash.ended,
                    exit: crash.exit,
                    restarts: proc.begun.saturating_sub(1),
                };
                let failed = proc.failed == Some(crash.life);
                self.saved.owed.add(OwedCrash { id: crash.id, lived, failed, tries: 0 });
            } else if let Effect::Reached(post) = effect
                && self.has_hook(*post)
            {
                self.saved.owed.posts.push(*post);
            }
        }
    }

    /// This work is done.
    pub(super) fn pay(&mut self, debt: Debt) {
        self.unsaved |= self.saved.owed.settle(debt);
    }

    /// Finish the work of a killed supervisor.
    pub(super) fn recall_owed(&mut self) {
        if self.saved.owed.is_empty() {
            return;
        }
        self.saved.owed.take_over();
        // Save the number of tries first: a crash that kills each supervisor that examines it must
        // not do so for ever.
        if let Err(error) = self.runtime.save(&self.saved) {
            tracing::error!(%error, "the state can't be saved");
        }
        let Owed { crashes, posts } = self.saved.owed.clone();
        for post in posts {
            self.reached(post);
        }
        let Some(first) = crashes.iter().map(|owed| owed.lived.ended).min() else { return };
        // If the journal can't be read, assume that nothing was written: a repeated report is
        // better than none.
        let reported = self.told_since(first).unwrap_or_else(|error| {
            tracing::warn!(%error, "what was told of crashes can't be read");
            HashSet::new()
        });
        for owed in crashes {
            let name = self.plan.processes[owed.id].name.clone();
            let is_told = |written| reported.contains(&(written, name.clone(), owed.lived.life));
            self.crashed_before(owed, (is_told(Written::Notice), is_told(Written::Report)));
        }
    }

    /// What the journal contains about crashes since then: which part, of which process and life.
    fn told_since(&self, time: Timestamp) -> io::Result<HashSet<(Written, ProcName, LifeId)>> {
        let mut index = IndexReader::open(self.ingest.dirs());
        let position = query::since(&mut index, time)?;
        let mut cursor = Cursor::over(index, position, Filter::only(vec![EVENTS]));
        let (mut text, mut reported) = (vec![], HashSet::new());
        while cursor.next(u64::MAX, &mut text)?.is_some() {
            for line in text.split(|byte| *byte == b'\n') {
                let Some(event) = Logged::from_json(line) else { continue };
                let (written, life) = match event.what() {
                    Some(What::Crash { life, .. }) => (Written::Notice, *life),
                    Some(What::CrashReport { life, .. }) => (Written::Report, *life),
                    _ => continue,
                };
                reported.extend(event.name().map(|name| (written, name.clone(), life)));
            }
        }
        Ok(reported)
    }
}

#[cfg(test)]
mod tests {
    use super::{Debt, MOST_TRIES, Owed, OwedCrash};
    use crate::crash::Lived;
    use crate::model::ProcId;
    use crate::model::time::Timestamp;
    use crate::model::{Exit, LifeId};
    use crate::supervisor::Milepost;

    fn crash(place: usize, life: LifeId) -> OwedCrash {
        let id = ProcId::at(place);
        let [started, ended] = [1, 2].map(Timestamp::from_nanos);
        let exit = Exit::Code(1);
        let lived = Lived { life, pid: None, started, ended, exit, restarts: 0 };
        OwedCrash { id, lived, failed: false, tries: 0 }
    }

    #[test]
    fn what_is_owed_stands_in_the_file_until_it_is_done() {
        let [one, two] = [LifeId::FIRST, LifeId::nth(2)];
        let crashes = vec![crash(0, one), crash(0, two), crash(1, one)];
        let owed = Owed { crashes, posts: vec![Milepost::MainStarted] };
        let text = serde_json::to_string(&owed).unwrap();
        let mut read: Owed = serde_json::from_str(&text).unwrap();
        assert_eq!(read, owed);
        assert_eq!(read.crash(ProcId::at(0), two), Some(crash(0, two)));
        let [web, api] = [0, 1].map(ProcId::at);
        assert!(read.settle(Debt::Crash(web, two)) && !read.settle(Debt::Crash(web, two)));
        assert_eq!((read.crash(web, two), read.crash(web, one)), (None, Some(crash(0, one))));
        for debt in
            [Debt::Crash(web, one), Debt::Crash(api, one), Debt::Post(Milepost::MainStarted)]
        {
            assert!(!read.is_empty());
            read.settle(debt);
        }
        assert!(read.is_empty());
        assert_eq!(serde_json::from_str::<Owed>("{}").unwrap(), read, "of an older version");
    }

    #[test]
    fn what_nobody_can_do_is_not_owed_for_ever() {
        let crash = |life| crash(7, LifeId::nth(life));
        let mut owed = Owed::default();
        (1..=60).for_each(|life| owed.add(crash(life)));
        assert_eq!((owed.crashes.len(), owed.crashes[0]), (50, crash(11)));
        assert!(owed.is_of(8) && !owed.is_of(7));
        for tries in 1..=MOST_TRIES {
            owed.take_over();
            assert!(owed.crashes.len() == 50 && owed.crashes[0].tries == tries);
        }
        owed.take_over();
        assert!(owed.is_empty());
    }
}
