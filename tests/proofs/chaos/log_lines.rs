//! Check: each written line is in the log exactly once, whole and in order. Each life of a writer numbers
//! its lines anew and notes how many the terminal has accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use crate::chaos::config::CONFIGURED;
use crate::chaos::programs::{LIFE, Note};
use crate::chaos::step::{NAMES, WRITERS};
use crate::harness::World;
use crate::lines::{self, each_line, split};

/// What may be said about a process in a log, beside what it printed.
const SAID: [&str; 28] = [
    "Started with pid ",
    "Started; its pid is not known",
    "Restarting...",
    "Restarted with pid ",
    "Restarted; its pid is not known",
    "Interrupting...",
    "Killing...",
    "Exited with code ",
    "Killed by ",
    "Ended by ",
    "Its window was closed",
    "Its shim was killed",
    "Its pipe was broken",
    "its output can't be piped",
    "Left running",
    "Left behind and now being ended",
    "Could not end",
    "Can't open its window",
    "SIGKILL did not end",
    "Waiting for ",
    "Skipped: ",
    "Ready",
    "Restarting in ",
    "the stop command ",
    // Why it crashed: the writers are named so.
    "quick crashed (",
    "even crashed (",
    "fast crashed (",
    // What it printed before that.
    "  ",
];

/// One of the processes, or another instance of one.
fn is_known(name: &str) -> bool {
    let name = name.split('#').next().unwrap_or_default();
    NAMES.contains(&name) || CONFIGURED.contains(&name)
}

/// The lives of one writer.
pub(crate) type Lives = BTreeMap<u64, Note>;

/// What the writers have noted.
pub(crate) fn written(world: &World) -> BTreeMap<&'static str, Lives> {
    let mut all: BTreeMap<_, _> = WRITERS.iter().map(|name| (*name, Lives::new())).collect();
    for entry in std::fs::read_dir(world.app().join("lives")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let (name, life) = name.split_once('.').unwrap();
        let note = Note::read(&entry.path()).unwrap_or_default();
        if let Some(lives) = all.get_mut(name) {
            lives.insert(life.parse().unwrap(), note);
        }
    }
    all
}

/// What may be missing of a process, for what was done to it.
#[derive(Debug, Default)]
pub(crate) struct AllowedLoss {
    /// Lives whose end may be missing.
    pub(crate) ends: BTreeSet<u64>,
    /// Lives that were interrupted by a key: the kernel throws away what the terminal has not
    /// handed on, and shows the key.
    pub(crate) holes: BTreeSet<u64>,
}

/// How much of a log is to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything that was written.
    All,
    /// What came while somebody looked: no holes, but any begin and any end.
    Part,
}

/// The lines of one process, one after the other.
struct EventReader<'a> {
    name: &'static str,
    lives: &'a Lives,
    allowed_loss: &'a AllowedLoss,
    extent: Extent,
    /// The last whole line.
    last: Option<u64>,
    torn: Option<String>,
    gap: bool,
    whole: u64,
    problems: Vec<String>,
    scratch: Vec<u8>,
}

/// Whether tmo says here that output is missing.
fn is_gap(text: &[u8]) -> bool {
    let words: [&[u8]; 3] =
        [b" of output lost here", b" of output removed by the limit", b"... output may be missing"];
    words.iter().any(|word| memchr::memmem::find(text, word).is_some())
}

impl EventReader<'_> {
    fn take(&mut self, text: &[u8]) {
        if is_gap(text) {
            self.gap = true;
        } else if let Some(number) = lines::whole(self.name, text, &mut self.scratch) {
            self.whole += 1;
            self.follows(number);
            (self.last, self.torn, self.gap) = (Some(number), None, false);
        } else if !SAID.iter().any(|said| text.starts_with(said.as_bytes())) {
            let shown = String::from_utf8_lossy(&text[..text.len().min(120)]).into_owned();
            self.torn.get_or_insert(shown);
        }
    }

    fn problem(&mut self, what: &str) {
        self.problems.push(format!("{}: {what}", self.name));
    }

    /// Whether this line may come after the last one.
    fn follows(&mut self, number: u64) {
        let (life, line) = (number / LIFE, number % LIFE);
        if line >= self.lives.get(&life).map_or(0, |note| note.begun) {
            return self.problem(&format!("line {line} of life {life} was never written"));
        }
        let Some(last) = self.last else {
            if self.extent == Extent::All && !self.gap {
                self.passed(None, life);
                if line != 0 && !self.allowed_loss.holes.contains(&life) {
                    self.problem(&format!("life {life} begins with line {line}"));
                }
            }
            return;
        };
        let (old, at) = (last / LIFE, last % LIFE);
        if number <= last {
            return self.problem(&format!("line {line} of life {life} after {at} of {old}"));
        }
        if self.gap {
            return;
        }
        if life == old && self.allowed_loss.holes.contains(&life) {
            return;
        }
        if life == old {
            if number != last + 1 {
                self.problem(&format!("line {line} of life {life} follows {at}"));
            }
            if let Some(torn) = self.torn.take() {
                self.problem(&format!("torn after line {at} of life {life}: {torn:?}"));
            }
            return;
        }
        self.end_of(old, at + 1);
        self.passed(Some(old), life);
        if line != 0 && !self.allowed_loss.holes.contains(&life) {
            self.problem(&format!("life {life} begins with line {line}"));
        }
    }

    /// Lives of which nothing is shown must have had nothing to show.
    fn passed(&mut self, after: Option<u64>, before: u64) {
        let passed: Vec<u64> =
            self.lives.range(after.map_or(0, |life| life + 1)..before).map(|(n, _)| *n).collect();
        for life in passed {
            self.end_of(life, 0);
        }
    }

    /// A life of which so many lines are shown is over.
    fn end_of(&mut self, life: u64, shown: u64) {
        let Some(&note) = self.lives.get(&life) else { return };
        if self.gap
            || self.allowed_loss.ends.contains(&life)
            || self.allowed_loss.holes.contains(&life)
        {
            return;
        }
        if shown < note.done {
            self.problem(&format!("{shown} of {} lines of life {life}", note.done));
        }
        if let Some(torn) = self.torn.take().filter(|_| note.ended) {
            self.problem(&format!("torn at the end of life {life}: {torn:?}"));
        }
    }

    fn finish(mut self) -> Vec<String> {
        if self.extent == Extent::All {
            let (life, shown) = match self.last {
                Some(last) => (Some(last / LIFE), last % LIFE + 1),
                None => (None, 0),
            };
            if let Some(life) = life {
                self.end_of(life, shown);
            }
            self.passed(life, u64::MAX);
        }
        self.problems
    }
}

/// What is wrong with a merged log.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) problems: Vec<String>,
    /// Whole lines of writers.
    pub(crate) lines: u64,
    pub(crate) gaps: u64,
}

/// Read a merged log.
pub(crate) fn read(
    text: impl Read,
    extent: Extent,
    written: &BTreeMap<&'static str, Lives>,
    allowed_loss: &BTreeMap<&'static str, AllowedLoss>,
) -> Verdict {
    let none = AllowedLoss::default();
    let reading = |name: &'static str| EventReader {
        name,
        lives: &written[name],
        allowed_loss: allowed_loss.get(name).unwrap_or(&none),
        extent,
        last: None,
        torn: None,
        gap: false,
        whole: 0,
        problems: vec![],
        scratch: vec![],
    };
    let mut all: BTreeMap<&str, EventReader<'_>> =
        WRITERS.iter().map(|name| (*name, reading(name))).collect();
    let mut verdict = Verdict::default();
    each_line(text, |line| {
        let (name, text) = split(line).unwrap_or_default();
        verdict.gaps += u64::from(is_gap(text));
        if let Some(reading) = all.get_mut(name) {
            reading.take(text);
        } else if extent == Extent::All && name != "system" && !is_known(name) {
            verdict.problems.push(format!("nobody's: {:?}", String::from_utf8_lossy(line)));
        }
    });
    for (_, reading) in all {
        verdict.lines += reading.whole;
        verdict.problems.extend(reading.finish());
    }
    verdict
}

/// What is seen of a log that was spoiled on purpose: a check that sees nothing proves nothing.
pub(crate) fn self_test() {
    let lives = Lives::from([
        (1, Note { begun: 4, done: 3, ended: false }),
        (2, Note { begun: 2, done: 2, ended: true }),
    ]);
    let mut written: BTreeMap<_, _> = WRITERS.iter().map(|name| (*name, Lives::new())).collect();
    written.insert("even", lives);
    let line = |number: u64| {
        let mut line = b"even   | ".to_vec();
        lines::push("even", number, &mut line);
        line
    };
    let faults_but = |lines: &[Vec<u8>], excuses: AllowedLoss| {
        let allowed_loss = BTreeMap::from([("even", excuses)]);
        read(&lines.concat()[..], Extent::All, &written, &allowed_loss).problems.len()
    };
    let faults = |lines: &[Vec<u8>]| faults_but(lines, AllowedLoss::default());
    let interrupted = |lines: &[Vec<u8>], life| {
        faults_but(lines, AllowedLoss { holes: BTreeSet::from([life]), ..AllowedLoss::default() })
    };
    let (one, two) = (LIFE, 2 * LIFE);
    let good = [line(one), line(one + 1), line(one + 2), line(two), line(two + 1)];
    let torn = b"even   | torn\n".to_vec();
    let gap = b"even   | ... output may be missing here\n".to_vec();
    let with = |at: usize, line: &Vec<u8>| {
        let mut all = good.to_vec();
        all.insert(at, line.clone());
        all
    };
    let without = |at: usize| {
        let mut all = good.to_vec();
        all.remove(at);
        all
    };
    assert_eq!(faults(&good), 0);
    assert_eq!(faults(&with(3, &torn)), 0, "it was killed");
    assert_eq!(faults(&with(2, &torn)), 1);
    assert_eq!(faults(&with(5, &torn)), 1);
    assert_eq!(faults(&with(4, &line(two))), 1);
    for at in 0..5 {
        assert_eq!(faults(&without(at)), 1, "without {at}");
    }
    let mut reported = without(1);
    reported.insert(1, gap);
    assert_eq!(faults(&reported), 0);
    assert_eq!(faults(&with(5, &line(two + 2))), 1);
    assert_eq!(faults(&[]), 2);
    for at in 0..3 {
        assert_eq!(interrupted(&without(at), 1), 0, "without {at}, by a key");
        assert_eq!(interrupted(&without(at), 2), 1, "without {at}, by a key in another life");
    }
    assert_eq!(interrupted(&with(2, &torn), 1), 0);
    assert_eq!(interrupted(&with(4, &torn), 1), 1);
    assert_eq!(interrupted(&with(2, &line(one)), 1), 1, "no key doubles a line");
    assert_eq!(
        faults_but(
            &without(2),
            AllowedLoss { ends: BTreeSet::from([1]), ..AllowedLoss::default() }
        ),
        0
    );
}
