//! The flags: what is counted in the output of processes.
//!
//! Counts are saved with the position that they include, which is always the end of a line. An
//! adopter counts on from there, whatever has been indexed since, so each line counts once. The
//! counts are not saved after every match; an adopter still has only little to read again.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::core::Engine;
use super::hooks::Order;
use crate::journal::cursor::{Cursor, Filter};
use crate::journal::query;
use crate::journal::reader::IndexReader;
use crate::journal::record::{Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use crate::model::LifeId;
use crate::model::ProcId;
use crate::model::event::{Event, What};
use crate::model::request::{FlagMatches, FlagState, Outcome};
use crate::model::rules::Rules;
use crate::model::time::Timestamp;
use crate::watch::{FlagBook, Watcher};

/// Save the counts of a process after searching this many bytes.
const MOST_UNSAVED: u64 = 16 << 20;

/// The flag counts of one process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counted {
    /// The position in its stream up to which matches are counted.
    upto: u64,
    /// The time of the output before it, in nanoseconds since the epoch.
    time: Timestamp,
    /// The counts and the last matches.
    book: FlagBook,
}

/// The counts of a process while it runs.
#[derive(Debug, Default)]
pub(super) struct Count {
    now: Counted,
    /// The position that was saved last.
    saved: Option<u64>,
    /// The end of the output that was searched.
    end: u64,
}

impl Count {
    /// Start counting at this position.
    pub(super) fn from(upto: u64, time: Timestamp, book: &FlagBook) -> Self {
        Self { now: Counted { upto, time, book: book.brief() }, saved: None, end: upto }
    }

    /// A record has been searched.
    pub(super) fn passed(&mut self, record: &Record, book: &FlagBook) {
        self.end = self.end.max(record.end());
        let in_line = match record.kind {
            Kind::Text => record.flags & (TO_BE_CONTINUED | UNFINISHED) != 0,
            Kind::Exit | Kind::End => false,
            Kind::Start | Kind::Gap | Kind::Event => return,
        };
        if in_line {
            return;
        }
        (self.now.upto, self.now.time) = (self.end, record.time);
        if !self.now.book.counts_as(book) {
            self.now.book = book.brief();
        }
    }

    /// Whether much has been searched since the last save.
    fn is_due(&self) -> bool {
        self.now.upto.saturating_sub(self.saved.unwrap_or(0)) > MOST_UNSAVED
    }

    /// The counts to save, unless they are saved already.
    fn unsaved(&mut self) -> Option<Counted> {
        let is_saved = self.saved.replace(self.now.upto) == Some(self.now.upto);
        (!is_saved).then(|| self.now.clone())
    }
}

/// For each flag, how often it matched in the output of one read, and the last matching line.
pub(super) type Matches = BTreeMap<(Option<LifeId>, usize), (u64, String)>;

impl Engine {
    /// The state of the flags of a process.
    pub(super) fn flags(&self, id: ProcId) -> Vec<FlagState> {
        let Some(watch) = &self.panes[id].watch else { return vec![] };
        let found = watch.watcher.book().flags().iter();
        let flags = self.plan.processes[id].rules.flags.iter().zip(found);
        flags
            .map(|(flag, log)| FlagState {
                name: flag.name.as_str().into(),
                color: flag.color,
                count: log.count,
                target: log.target,
                exceeded: log.is_exceeded(),
                last: log.last(1).next().map(|found| found.line.clone()),
            })
            .collect()
    }

    /// The latest matches of the flags of a process, with the lines around them.
    pub(super) fn flag_matches(
        &self,
        name: &str,
        last: usize,
    ) -> Result<Vec<FlagMatches>, Box<Outcome>> {
        let procs = &self.saved.supervisor.procs;
        let listed = || procs.iter().filter(|proc| proc.counts()).map(|proc| &proc.name);
        let is_meant = |id: &ProcId| procs[*id].counts() && procs[*id].name.as_str() == name;
        let Some(id) = ProcId::all(procs).find(is_meant) else {
            return Err(Box::new(Outcome::unknown(name, listed())));
        };
        let Some(watch) = &self.panes[id].watch else { return Ok(vec![]) };
        let flags = watch.watcher.book().flags().iter();
        let flags = flags.map(|log| FlagMatches {
            flag: log.name.as_str().into(),
            matches: log.last(last).cloned().collect(),
        });
        Ok(flags.collect())
    }

    /// Flags have matched: log each flag once per read, and run their commands, but not too often.
    pub(super) fn flagged(&mut self, id: ProcId, matches: Matches) {
        for ((life, number), (count, line)) in matches {
            let process = &self.plan.processes[id];
            let Some(flag) = process.rules.flags.get(number).cloned() else { continue };
            let name = process.name.clone();
            let Some(watch) = &mut self.panes[id].watch else { return };
            let log = watch.watcher.book().flags().get(number);
            let last = log.and_then(|log| log.last(1).next()).filter(|last| last.line == *line);
            let what = What::Flag {
                life,
                flag: flag.name.clone(),
                line: line.clone(),
                count,
                total: log.map(|log| log.count),
                before: last.map(|last| last.before.clone()).unwrap_or_default(),
                after: last.map(|last| last.after.clone()).unwrap_or_default(),
            };
            let event = Event::of(&name, what);
            let (now, rest) = (Instant::now(), Duration::from_millis(flag.every_ms));
            let is_early = watch.reported.get(&number).is_some_and(|last| now - *last < rest);
            if !is_early {
                watch.reported.insert(number, now);
            }
            self.write_event(&event);
            if flag.notify && !is_early {
                self.notify(&format!("{name}: {}", flag.name), &line);
            }
            let key = (id, flag.name.clone());
            if let Some(command) = flag.on_match.as_ref().filter(|_| self.is_due(&key, is_early)) {
                let (shown, mut run) = self.command(command, "flag:matched");
                run.set("TMO_PROCESS", name.as_str());
                run.set("TMO_FLAG", &flag.name);
                let event = serde_json::to_value(&event).unwrap_or_default();
                let order = Order::new((shown, run), &event);
                self.matched(key, order);
            }
        }
    }

    /// Request a save when an adopter would have to search too much again.
    pub(super) fn mind_counts(&mut self, id: ProcId) {
        let counts = !self.plan.processes[id].rules.flags.is_empty();
        let watch = self.panes[id].watch.as_ref().filter(|_| counts);
        let is_due = watch.is_some_and(|watch| watch.count.is_due());
        self.unsaved |= is_due;
    }

    /// Add the present counts to the state to be saved.
    pub(super) fn save_counts(&mut self) {
        for (pane, process) in self.panes.iter_mut().zip(&self.plan.processes) {
            if let Some(watch) = &mut pane.watch
                && !process.rules.flags.is_empty()
                && let Some(counted) = watch.count.unsaved()
            {
                self.saved.counted.insert(process.name.to_string(), counted);
            }
        }
    }

    /// After a takeover, restore the saved counts and count in the output that was indexed since.
    /// Notices and commands for these matches were handled when they occurred.
    pub(super) fn recall_counts(&mut self, id: ProcId) -> std::io::Result<()> {
        let (process, stream) = (&self.plan.processes[id], self.panes[id].stream);
        let Some(watch) = &mut self.panes[id].watch else { return Ok(()) };
        let flags = process.rules.flags.clone();
        let rules = Rules { flags, ..Rules::default() };
        let Ok(mut counter) = Watcher::new(&rules) else { return Ok(()) };
        let before = self.saved.counted.get(process.name.as_str()).cloned().unwrap_or_default();
        counter.book_mut().restore(&before.book);
        counter.begin(watch.life);
        watch.count = Count::from(before.upto, before.time, counter.book());
        if rules.flags.is_empty() {
            return Ok(());
        }
        let mut index = IndexReader::open(self.ingest.dirs());
        let position = query::since(&mut index, before.time.max(self.plan.started))?;
        let mut cursor = Cursor::over(index, position, Filter::only(vec![stream]));
        let mut text = vec![];
        while let Some(chunk) = cursor.next(u64::MAX, &mut text)? {
            let record = chunk.record;
            match record.kind {
                Kind::Text if record.offset < before.upto => continue,
                Kind::Text => {
                    counter.at(record.time);
                    counter.feed(&text);
                }
                Kind::Start => counter.begin(record.life),
                Kind::Exit | Kind::End => _ = counter.finish(),
                Kind::Gap | Kind::Event => {}
            }
            watch.count.passed(&record, counter.book());
        }
        watch.watcher.book_mut().restore(counter.book());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Count, Counted};
    use crate::journal::record::{Kind, Record, TO_BE_CONTINUED, UNFINISHED};
    use crate::model::LifeId;
    use crate::model::rules::{Flag, Rules, Text};
    use crate::model::time::Timestamp;
    use crate::watch::Watcher;

    fn watcher() -> Watcher {
        let text = Text { pattern: "x".into(), regex: true, any_case: false };
        let flag = Flag { context: 2, ..Flag::new(text) };
        Watcher::new(&Rules { flags: vec![flag], ..Rules::default() }).unwrap()
    }

    fn record(kind: Kind, offset: u64, text: &str, flags: u8) -> Record {
        let len = u32::try_from(text.len()).unwrap();
        let (time, life) = (offset + 1000, Some(LifeId::FIRST));
        Record {
            time: Timestamp::from_nanos(time),
            offset,
            len,
            lines: 1,
            life,
            seq: 0,
            value: 0,
            stream: 0,
            kind,
            flags,
        }
    }

    #[test]
    fn what_is_saved_ends_with_a_line() {
        let (mut watcher, mut count) = (watcher(), Count::default());
        let mut upto = 0;
        let mut hear = |kind, text: &str, flags| {
            watcher.feed(text.as_bytes());
            if kind == Kind::Exit {
                watcher.finish();
            }
            count.passed(&record(kind, upto, text, flags), watcher.book());
            upto += text.len() as u64;
            (count.now.upto, count.now.book.flags().first().map_or(0, |flag| flag.count))
        };
        assert_eq!(hear(Kind::Text, "x\na x\n", 0), (6, 2));
        assert_eq!(hear(Kind::Text, "y\n", 0), (8, 2));
        assert_eq!(hear(Kind::Text, "x and", TO_BE_CONTINUED), (8, 2));
        assert_eq!(hear(Kind::Text, " so on\n", 0), (20, 3));
        assert_eq!(hear(Kind::Text, "x", UNFINISHED), (20, 3));
        assert_eq!(hear(Kind::Exit, "", 0), (21, 4));
    }

    #[test]
    fn what_is_saved_is_little_and_is_saved_once() {
        let (mut watcher, mut count) = (watcher(), Count::default());
        for _ in 0..9 {
            watcher.feed(b"before\nx\nbehind\n");
        }
        count.passed(&record(Kind::Text, 0, &"before\nx\nbehind\n".repeat(9), 0), watcher.book());
        let counted = count.unsaved().unwrap();
        assert!(count.unsaved().is_none());
        let json = serde_json::to_string(&counted).unwrap();
        assert!(!json.contains("before\"]") && json.len() < 400, "{json}");
        let read: Counted = serde_json::from_str(&json).unwrap();
        assert_eq!((&read, read.book.flags()[0].count), (&counted, 9));
    }
}
