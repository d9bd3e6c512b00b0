//! A failure pattern is acted upon exactly once, even if the supervisor dies.
//!
//! Output is indexed before its matches are acted upon, and a supervisor may be killed in between.
//! So the position up to which all matches were acted upon is saved with the state, and an adopter
//! searches the output that was indexed after it. A life that was ended for a failure is not ended
//! for it again.

use serde::{Deserialize, Serialize};

use super::core::Engine;
use crate::journal::cursor::{Cursor, Filter};
use crate::journal::query;
use crate::journal::reader::IndexReader;
use crate::journal::record::{Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use crate::model::life::or_zero;
use crate::model::rules::{Action, Rules};
use crate::model::time::Timestamp;
use crate::model::{LifeId, ProcId};
use crate::supervisor::Proc;
use crate::watch::{Rule, Watcher};

/// Save the position after searching this many bytes of a process.
const MOST_UNSAVED: u64 = 16 << 20;

/// A position in the output of a process, between two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Looked {
    /// The offset in its stream.
    upto: u64,
    /// The time of the output before it, in nanoseconds since the epoch.
    time: Timestamp,
    /// The life that printed it.
    #[serde(with = "or_zero")]
    life: Option<LifeId>,
}

/// The position in the output of a process while it runs.
#[derive(Debug, Default)]
pub(super) struct Looking {
    now: Looked,
    saved: u64,
    end: u64,
}

impl Looking {
    /// Start at this position.
    pub(super) fn from(looked: Looked) -> Self {
        Self { now: looked, saved: looked.upto, end: looked.upto }
    }

    /// A record has been searched.
    pub(super) fn passed(&mut self, record: &Record) {
        match record.kind {
            Kind::Gap | Kind::Event => return,
            Kind::Start => self.now.life = record.life,
            Kind::Text => self.end = self.end.max(record.end()),
            Kind::Exit | Kind::End => {}
        }
        let in_line =
            record.kind == Kind::Text && record.flags & (TO_BE_CONTINUED | UNFINISHED) != 0;
        if !in_line {
            (self.now.upto, self.now.time) = (self.end, record.time);
        }
    }
}

/// Whether any of the patterns can end a life.
fn ends_lives(rules: &Rules) -> bool {
    !rules.failures.is_empty() || rules.flags.iter().any(|flag| flag.action != Action::Notify)
}

impl Engine {
    /// Begin at the present end; earlier output is not searched.
    pub(super) fn look_from(&mut self, id: ProcId, time: Timestamp) {
        let upto = self.ingest.indexed(self.panes[id].stream);
        // A process that is just being added has had no life yet.
        let procs = &self.saved.supervisor.procs;
        let life = procs.get(id.place()).and_then(Proc::current_life);
        if let Some(watch) = &mut self.panes[id].watch {
            watch.looked = Looking::from(Looked { upto, time, life });
        }
    }

    /// Add the positions to the state to be saved, where all matches were acted upon.
    pub(super) fn save_looked(&mut self) {
        for (pane, process) in self.panes.iter_mut().zip(&self.plan.processes) {
            let Some(watch) = &mut pane.watch else { continue };
            let reported = watch.hits.is_empty() && watch.again.is_empty();
            if !ends_lives(&process.rules) {
                self.saved.looked.remove(process.name.as_str());
            } else if reported {
                watch.looked.saved = watch.looked.now.upto;
                self.saved.looked.insert(process.name.to_string(), watch.looked.now);
            }
        }
    }

    /// Request a save when an adopter would have to search too much again.
    pub(super) fn mind_looked(&mut self, id: ProcId) {
        let Some(watch) = &self.panes[id].watch else { return };
        let is_far = watch.looked.now.upto.saturating_sub(watch.looked.saved) > MOST_UNSAVED;
        self.unsaved |= is_far && ends_lives(&self.plan.processes[id].rules);
    }

    /// Find the matches in output that a killed supervisor had indexed, but perhaps not acted upon.
    pub(super) fn recall_failures(&mut self, id: ProcId) -> std::io::Result<()> {
        let (process, stream) = (&self.plan.processes[id], self.panes[id].stream);
        let known = self.saved.looked.get(process.name.as_str()).copied();
        let Some(looked) = known.filter(|_| ends_lives(&process.rules)) else { return Ok(()) };
        // Copy the complete lists, so that the numbers of the rules stay the same.
        let (failures, flags) = (process.rules.failures.clone(), process.rules.flags.clone());
        let rules = Rules { failures, flags, ..Rules::default() };
        let Some(watch) = &mut self.panes[id].watch else { return Ok(()) };
        let Ok(mut watcher) = Watcher::new(&rules) else { return Ok(()) };
        let mut life = looked.life;
        watcher.begin(life);
        watch.looked = Looking::from(looked);
        let mut index = IndexReader::open(self.ingest.dirs());
        let position = query::since(&mut index, looked.time.max(self.plan.started))?;
        let mut cursor = Cursor::over(index, position, Filter::only(vec![stream]));
        let mut text = vec![];
        while let Some(chunk) = cursor.next(u64::MAX, &mut text)? {
            let record = chunk.record;
            let hits = match record.kind {
                Kind::Text if record.offset < looked.upto => continue,
                Kind::Text => watcher.feed(&text),
                Kind::Exit | Kind::End => watcher.finish(),
                Kind::Start => {
                    life = record.life;
                    watcher.begin(life);
                    vec![]
                }
                Kind::Gap | Kind::Event => continue,
            };
            watch.looked.passed(&record);
            let ends = |rule: &Rule| match rule {
                Rule::Failure(_) => true,
                Rule::Flag(number) => {
                    rules.flags.get(*number).is_some_and(|flag| flag.action != Action::Notify)
                }
                Rule::Ready(_) => false,
            };
            let hits = hits.into_iter().filter(|hit| ends(&hit.rule));
            watch.again.extend(hits.map(|hit| (life, hit)));
        }
        Ok(())
    }
}
