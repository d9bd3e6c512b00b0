//! Compares what was written with the log.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::AddAssign;

use crate::lines::{self, each_line, split};
use crate::table::Table;

/// What is wrong with the lines of some processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) torn: u64,
    pub(crate) disordered: u64,
}

impl AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.bytes += other.bytes;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.torn += other.torn;
        self.disordered += other.disordered;
    }
}

impl Faults {
    /// Tell them; all must be 0.
    pub(crate) fn tell(&self, what: &str, table: &mut Table) {
        let Self { lines, bytes: _, lost, doubled, torn, disordered } = self;
        let what = format!("{what}: lost, doubled, torn, out of order of {lines}");
        table.must(what, format!("{lost} {doubled} {torn} {disordered}"), "0 0 0 0");
    }
}

/// The lines of one process, looked at one after the other.
#[derive(Debug)]
pub(crate) struct Lines {
    name: String,
    next: u64,
    /// Whoever comes later may begin with any line.
    late: bool,
    missing: BTreeSet<u64>,
    faults: Faults,
    scratch: Vec<u8>,
}

impl Lines {
    pub(crate) fn new(name: &str) -> Self {
        let (missing, faults) = (BTreeSet::new(), Faults::default());
        Self { name: name.to_owned(), next: 0, late: false, missing, faults, scratch: vec![] }
    }

    /// Look at the next line; whether it was whole.
    pub(crate) fn take(&mut self, line: &[u8]) -> bool {
        let Some(number) = lines::whole(&self.name, line, &mut self.scratch) else {
            self.faults.torn += 1;
            if self.faults.torn <= 3 && self.name != SPOILED {
                let shown = String::from_utf8_lossy(&line[..line.len().min(200)]);
                eprintln!("{}: torn after {}: {shown:?}", self.name, self.next);
            }
            return false;
        };
        self.faults.lines += 1;
        self.faults.bytes += line.len() as u64 + 1;
        if std::mem::take(&mut self.late) {
            self.next = number;
        }
        if number >= self.next {
            if number > self.next && self.name != SPOILED {
                eprintln!("{}: {} comes after {}", self.name, number, self.next);
            }
            self.missing.extend(self.next..number);
            self.next = number + 1;
        } else if self.missing.remove(&number) {
            self.faults.disordered += 1;
        } else {
            self.faults.doubled += 1;
        }
        true
    }

    /// The number that must come next.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// After all lines, of which there were `written`.
    pub(crate) fn end(mut self, written: u64) -> Faults {
        if written != self.next && self.name != SPOILED {
            eprintln!("{}: {} of {written} lines", self.name, self.next);
        }
        self.faults.lost = self.missing.len() as u64 + written.saturating_sub(self.next);
        // Nobody wrote these.
        self.faults.torn += self.next.saturating_sub(written);
        self.faults
    }
}

/// The merged log, looked at line by line.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) processes: BTreeMap<String, Lines>,
    /// What tmo itself said, and how often.
    pub(crate) said: BTreeMap<String, u64>,
    /// Lines with the prefix of nobody, or with somebody else's.
    pub(crate) strange: u64,
}

impl Merged {
    pub(crate) fn new(names: &[&str]) -> Self {
        let processes = names.iter().map(|name| ((*name).to_owned(), Lines::new(name))).collect();
        Self { processes, said: BTreeMap::new(), strange: 0 }
    }

    /// The same for somebody who came later: the first line of each process may be any.
    pub(crate) fn late(names: &[&str]) -> Self {
        let mut merged = Self::new(names);
        for lines in merged.processes.values_mut() {
            lines.late = true;
        }
        merged
    }

    /// Look at all lines of this text.
    pub(crate) fn read(&mut self, text: impl Read) {
        each_line(text, |line| self.take(line));
    }

    /// Look at one line.
    pub(crate) fn take(&mut self, line: &[u8]) {
        let (name, text) = split(line).unwrap_or_default();
        match self.processes.get_mut(name) {
            Some(_) if SAID.iter().any(|said| text.starts_with(said.as_bytes())) => {
                self.said(name, text);
            }
            Some(process) => _ = process.take(text),
            None if name == "system" => self.said(name, text),
            None => self.strange(line),
        }
    }

    fn strange(&mut self, line: &[u8]) {
        self.strange += 1;
        if self.strange <= 3 {
            let shown = String::from_utf8_lossy(&line[..line.len().min(200)]);
            eprintln!("strange: {shown:?}");
        }
    }

    fn said(&mut self, name: &str, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let text: String = text.chars().filter(|c| !c.is_ascii_digit()).collect();
        *self.said.entry(format!("{name}: {text}")).or_default() += 1;
    }

    /// How often a text of tmo itself begins so.
    pub(crate) fn count(&self, begin: &str) -> u64 {
        self.said.iter().filter(|(text, _)| text.starts_with(begin)).map(|(_, n)| n).sum()
    }

    /// After all lines.
    pub(crate) fn end(self, written: &BTreeMap<String, u64>) -> Faults {
        let mut all = Faults { torn: self.strange, ..Faults::default() };
        for (name, lines) in self.processes {
            all += lines.end(written[&name]);
        }
        all
    }
}

/// What tmo says about a process that runs and is stopped; all else is a writer's, or a piece.
const SAID: [&str; 5] =
    ["Started with pid ", "Interrupting...", "Exited with code ", "Killed by ", "Ended by "];

/// The process whose lines are spoiled on purpose.
const SPOILED: &str = "spoiled";

/// What would be seen of lines that someone has spoiled: a check that sees nothing proves nothing.
pub(crate) fn self_test() {
    let line = |number| {
        let mut line = vec![];
        lines::push(SPOILED, number, &mut line);
        line.pop();
        line
    };
    let seen = |numbers: &[u64], torn: bool| {
        let mut all = Lines::new(SPOILED);
        for &number in numbers {
            let line = line(number);
            all.take(if torn && number == 3 { &line[1..] } else { &line });
        }
        let Faults { lost, doubled, torn, disordered, .. } = all.end(6);
        [lost, doubled, torn, disordered]
    };
    assert_eq!(seen(&[0, 1, 2, 3, 4, 5], false), [0, 0, 0, 0]);
    assert_eq!(seen(&[0, 1, 3, 4], false), [2, 0, 0, 0]);
    assert_eq!(seen(&[0, 1, 1, 2, 3, 4, 5], false), [0, 1, 0, 0]);
    assert_eq!(seen(&[0, 1, 2, 3, 4, 5], true), [1, 0, 1, 0]);
    assert_eq!(seen(&[0, 2, 1, 3, 4, 5], false), [0, 0, 0, 1]);
}
