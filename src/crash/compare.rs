//! Compares what a life printed with what the last good life of the same process printed: a line that none
//! of the good life is like is often the first sign of what went wrong.

use std::collections::HashMap;
use std::io;

use super::life::{Log, pieces};
use crate::journal::search::landmark::{Landmark, Landmarks, Process, Turn};
use crate::journal::{Cursor, Filter, Kind, Position};
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, ProcName};

/// How much of the output of a life is compared.
const MOST_BYTES: u64 = 8 << 20;
const MOST_LINES: usize = 100_000;
/// How many different lines of each kind are returned.
const MOST_SHAPES: usize = 200;
/// A life that lasted so long was good until then.
const GOOD_AFTER: std::time::Duration = std::time::Duration::from_secs(60);
/// A token of this length that consists of hexadecimal digits is an identifier.
const LONG_HEX: usize = 8;

/// A life of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Its number.
    pub life: LifeId,
    /// When it began.
    pub started: Timestamp,
    /// When it ended, and how; `None` if it runs.
    pub ended: Option<(Timestamp, Exit)>,
    /// It became ready.
    pub ready: bool,
    /// Its records, up to its end.
    records: (u64, u64),
    asked: bool,
    failed: bool,
}

impl Life {
    /// Whether it failed.
    pub fn has_failed(&self) -> bool {
        let by_itself = self.ended.is_some_and(|(_, exit)| !exit.success()) && !self.asked;
        self.failed || by_itself
    }

    /// Whether it shows how the process prints when all is well.
    fn is_good(&self) -> bool {
        let Some((ended, exit)) = self.ended.filter(|_| !self.has_failed()) else { return false };
        let is_done = exit.success() && !self.asked;
        self.ready || is_done || ended.since(self.started) >= GOOD_AFTER
    }
}

/// Lines of the same shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The first of them.
    pub text: String,
    /// Where that is.
    pub at: Position,
    /// When it was printed.
    pub time: Timestamp,
    /// How many there are.
    pub count: usize,
}

/// Two lives side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The life in question: the present one, or the last one.
    pub life: Life,
    /// The last good one before it.
    pub good: Life,
    /// What only the life in question has printed, in order.
    pub new: Vec<Shape>,
    /// What only the good one has printed, in order.
    pub missing: Vec<Shape>,
    /// Of a life that has printed very much, only the beginning was compared.
    pub is_cut: bool,
}

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// There is no life to compare.
    NoLife,
    /// No earlier life of the process was good.
    NothingGood(Life),
    /// Both were found.
    Lives(Box<Comparison>),
}

/// Compare the last life of a process with the last good one before it.
pub fn compare(log: &Log<'_>, name: &ProcName) -> io::Result<Compared> {
    let Some(stream) = log.stream(name) else { return Ok(Compared::NoLife) };
    let lives = last_lives(log, name, stream)?;
    let Some(life) = lives.last().copied() else { return Ok(Compared::NoLife) };
    let good = lives.iter().rev().skip(1).find(|life| life.is_good());
    let Some(good) = good.copied() else { return Ok(Compared::NothingGood(life)) };
    let (mine, mine_cut) = shapes(log, stream, &life)?;
    let (other, other_cut) = shapes(log, stream, &good)?;
    let only = |these: &Shapes, those: &Shapes| {
        let mut only: Vec<_> = these
            .iter()
            .filter(|(shape, _)| !those.contains_key(*shape))
            .map(|(_, found)| found.clone())
            .collect();
        only.sort_by_key(|found| found.at);
        only.truncate(MOST_SHAPES);
        only
    };
    let (new, missing) = (only(&mine, &other), only(&other, &mine));
    let is_cut = mine_cut || other_cut;
    Ok(Compared::Lives(Box::new(Comparison { life, good, new, missing, is_cut })))
}

/// The lives of a process since the last good one before its last one, oldest first.
fn last_lives(log: &Log<'_>, name: &ProcName, stream: u16) -> io::Result<Vec<Life>> {
    let mut index = log.open_index()?;
    let mut search = Landmarks::new(log.dirs());
    let floor = log.begin().record.max(index.first()?);
    let head = index.len()?;
    let (mut landmarks, mut end) = (vec![], head);
    loop {
        let found = search.before(&mut index, end, floor)?;
        let own = |landmark: &Landmark| match &landmark.process {
            Process::Stream(number) => *number == stream,
            Process::Name(about) => about == name,
            Process::Run => false,
        };
        end = found.records.start;
        landmarks.splice(0..0, found.landmarks.into_iter().filter(own));
        let lives = lives(&landmarks, head);
        let is_enough = lives.iter().rev().skip(1).any(Life::is_good);
        if is_enough || end <= floor {
            return Ok(lives);
        }
    }
}

/// The lives that begin in these landmarks of one process.
fn lives(landmarks: &[Landmark], head: u64) -> Vec<Life> {
    let mut lives: Vec<Life> = vec![];
    for Landmark { record, time, what, .. } in landmarks {
        if let Turn::Started(life) = what {
            if let Some(last) = lives.last_mut() {
                last.records.1 = last.records.1.min(*record);
            }
            lives.push(Life {
                life: life.unwrap_or(LifeId::FIRST),
                started: *time,
                ended: None,
                ready: false,
                records: (*record, head),
                asked: false,
                failed: false,
            });
        }
        let Some(life) = lives.last_mut() else { continue };
        match what {
            Turn::Ready => life.ready = true,
            Turn::Asked => life.asked = true,
            Turn::Failed => life.failed = true,
            Turn::Exited(exit) => life.ended = Some((*time, *exit)),
            Turn::Started(_)
            | Turn::RunBegan
            | Turn::RunEnded
            | Turn::Skipped
            | Turn::Flagged
            | Turn::Gap => {}
        }
    }
    lives
}

type Shapes = HashMap<String, Shape>;

/// The shapes of the lines of a life; the flag says that it has printed more than was read.
fn shapes(log: &Log<'_>, stream: u16, life: &Life) -> io::Result<(Shapes, bool)> {
    let from = Position { record: life.records.0, skip: 0 }.max(log.begin());
    let mut cursor = Cursor::over(log.open_index()?, from, Filter::only(vec![stream]));
    let (mut shapes, mut text) = (Shapes::new(), vec![]);
    let (mut bytes, mut lines) = (0, 0);
    while let Some(chunk) = cursor.next(life.records.1, &mut text)? {
        if chunk.record.kind != Kind::Text {
            continue;
        }
        if bytes >= MOST_BYTES || lines >= MOST_LINES {
            return Ok((shapes, true));
        }
        bytes += text.len() as u64;
        pieces(&chunk, &text, |at, line| {
            lines += 1;
            if line.trim().is_empty() {
                return;
            }
            let time = chunk.record.time;
            let found = shapes.entry(shape(&line));
            found.or_insert(Shape { text: line, at, time, count: 0 }).count += 1;
        });
    }
    Ok((shapes, false))
}

/// A line without what differs from one time to the next: numbers, identifiers, quoted text.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    let mut rest = line.trim();
    while let Some(first) = rest.chars().next() {
        if let Some(after) = quoted(rest, first) {
            shape.push('"');
            rest = after;
            continue;
        }
        let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if end == 0 {
            // Any amount of white space is one blank.
            if !first.is_whitespace() {
                shape.push(first);
            } else if !shape.ends_with(' ') {
                shape.push(' ');
            }
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (token, after) = rest.split_at(end);
        rest = after;
        let has_digit = token.bytes().any(|byte| byte.is_ascii_digit());
        let is_hex = token.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if has_digit && is_hex && token.len() >= LONG_HEX {
            shape.push('#');
            continue;
        }
        let mut digits = false;
        for c in token.chars() {
            if !c.is_ascii_digit() {
                shape.push(c);
            } else if !digits {
                shape.push('0');
            }
            digits = c.is_ascii_digit();
        }
    }
    shape
}

/// What follows quoted text, if the rest begins with any. An apostrophe within a word begins none.
fn quoted(rest: &str, quote: char) -> Option<&str> {
    if !matches!(quote, '"' | '\'' | '`') {
        return None;
    }
    let inside = &rest[1..];
    inside.find(quote).map(|end| &inside[end + 1..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::shape;

    #[test]
    fn what_differs_each_time_has_one_shape() {
        for (one, other) in [
            ("GET /users/17 200 3.2ms", "GET /users/4711 200 12.75ms"),
            ("2026-11-21T14:05:28.310Z start", "2026-11-22T09:00:00.001Z start"),
            ("id 3f2a9c1e77 done", "id 0011223344556677 done"),
            (
                "job 123e4567-e89b-12d3-a456-426614174000",
                "job 00000000-0000-0000-0000-000000000001",
            ),
            ("loaded \"a b\" in 3 s", "loaded \"c\" in  12 s"),
            ("pid 12", "pid    9"),
        ] {
            assert_eq!(shape(one), shape(other));
        }
        for (one, other) in [
            ("listening on port 5000", "could not listen on port 5000"),
            ("warn: DATABASE_URL is empty", "info: DATABASE_URL is set"),
            ("deadbeef", "facade"),
        ] {
            assert_ne!(shape(one), shape(other));
        }
    }

    proptest! {
        #[test]
        fn any_line_has_a_shape(line in ".{0,80}") {
            let found = shape(&line);
            prop_assert!(!found.starts_with(' '));
        }

        #[test]
        fn other_numbers_have_the_same_shape(
            words in prop::collection::vec("[a-z]{1,6}", 1..6),
            one in any::<u16>(),
            other in any::<u16>(),
        ) {
            let line = |number: u16| words.join(&format!(" {number} "));
            prop_assert_eq!(shape(&line(one)), shape(&line(other)));
        }
    }
}
