//! Comparing what was written with what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read};
use std::ops::AddAssign;

use crate::lines;
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
        table.figure(format!("{what}: lines"), self.lines);
        table.must(format!("{what}: lost"), self.lost, 0);
        table.must(format!("{what}: doubled"), self.doubled, 0);
        table.must(format!("{what}: torn"), self.torn, 0);
        table.must(format!("{what}: out of order in a process"), self.disordered, 0);
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
            if self.faults.torn <= 3 {
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
            if number > self.next {
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
        if written != self.next {
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
        let Some((name, text)) = split(line) else {
            self.strange += 1;
            if self.strange <= 3 {
                let shown = String::from_utf8_lossy(&line[..line.len().min(200)]);
                eprintln!("strange: {shown:?}");
            }
            return;
        };
        match self.processes.get_mut(name) {
            Some(process) if looks_written(text) => _ = process.take(text),
            Some(_) => self.said(name, text),
            None if name == "system" => self.said(name, text),
            None => self.strange += 1,
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

/// What tmo says begins with a capital letter, what writers write with a name.
fn looks_written(text: &[u8]) -> bool {
    !text.first().is_some_and(u8::is_ascii_uppercase) || !text.contains(&b' ')
}

/// Prefix and text of a merged line.
pub(crate) fn split(line: &[u8]) -> Option<(&str, &[u8])> {
    let bar = line.windows(3).take(20).position(|three| three == b" | ")?;
    Some((std::str::from_utf8(&line[..bar]).ok()?.trim_end(), &line[bar + 3..]))
}

/// Call `take` with each line, without its newline.
pub(crate) fn each_line(text: impl Read, mut take: impl FnMut(&[u8])) {
    let mut text = BufReader::with_capacity(1 << 20, text);
    let mut line = vec![];
    while text.read_until(b'\n', &mut line).unwrap() > 0 {
        take(line.strip_suffix(b"\n").unwrap_or(&line));
        line.clear();
    }
}
