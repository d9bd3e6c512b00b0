//! Compares what a life printed with what the last good lives of the same process printed: a line that none
//! of theirs is like is often the first sign of what went wrong.

mod shape;

use std::collections::HashMap;
use std::fmt::Display;
use std::io;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use self::shape::shape;
use super::life::{Log, pieces};
use crate::journal::search::landmark::{Landmark, LandmarkEvent, Landmarks};
use crate::journal::{Cursor, Kind, Position};
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, ProcName, StreamNo};

/// How much of the output of a life is compared.
const MOST_BYTES: u64 = 8 << 20;
const MOST_LINES: usize = 100_000;
/// How many different lines of each kind are returned.
const MOST_SHAPES: usize = 200;
/// A life that lasted so long was good until then.
const GOOD_AFTER: std::time::Duration = std::time::Duration::from_secs(60);
/// A life that failed was good until so long before its end, if it had lasted twice as long.
const BAD_END: std::time::Duration = std::time::Duration::from_secs(10);
/// With so many good lives a life is compared at most.
const MOST_LIVES: usize = 5;

/// A life of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "ComparedLife")]
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
    /// It was asked to end.
    pub asked: bool,
    failed: bool,
}

impl Life {
    /// Whether it failed.
    pub fn has_failed(&self) -> bool {
        let by_itself = self.ended.is_some_and(|(_, exit)| !exit.success()) && !self.asked;
        self.failed || by_itself
    }

    /// Until when it shows how the process prints when all is well; `None` if it does not.
    fn good_until(&self) -> Option<Timestamp> {
        let (ended, exit) = self.ended?;
        let lasted = ended.since(self.started);
        let is_done = exit.success() && !self.asked;
        let was_good = self.ready || lasted >= GOOD_AFTER;
        if !self.has_failed() {
            return (was_good || is_done).then_some(ended);
        }
        (was_good && lasted >= 2 * BAD_END).then(|| self.started + lasted.saturating_sub(BAD_END))
    }

    /// Whether all of it shows that.
    fn is_good(&self) -> bool {
        !self.has_failed() && self.good_until().is_some()
    }
}

/// A life that was compared.
#[derive(Serialize, ToSchema)]
struct ComparedLife {
    /// Its number.
    #[schema(value_type = u32)]
    life: LifeId,
    /// When it began, RFC 3339 in UTC.
    started: String,
    /// When it ended; null if it runs.
    ended: Option<String>,
    /// How it ended.
    exit: Option<Exit>,
    /// Whether it failed.
    failed: bool,
}

impl From<Life> for ComparedLife {
    fn from(life: Life) -> Self {
        Self {
            life: life.life,
            started: life.started.to_string(),
            ended: life.ended.map(|(time, _)| time.to_string()),
            exit: life.ended.map(|(_, exit)| exit),
            failed: life.has_failed(),
        }
    }
}

/// Lines that differ only in numbers, times and ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ComparedLine)]
pub struct Shape {
    /// The first line.
    pub text: String,
    /// The cursor of the first line.
    #[serde(rename = "cursor", serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub at: Position,
    /// When the first line was printed, RFC 3339 in UTC.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub time: Timestamp,
    /// The number of lines.
    pub count: usize,
}

fn as_text<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// Two lives of a process side by side.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct Comparison {
    /// The current or last life; for a process that runs again after a failure, the life that failed. Null if it
    /// has not run.
    #[schema(value_type = Option<ComparedLife>)]
    pub life: Option<Life>,
    /// The last good lives before it, the last one first.
    #[schema(value_type = Vec<ComparedLife>)]
    pub good: Vec<Life>,
    /// Lines that only `life` has printed, in order: the first line of each kind.
    pub new: Vec<Shape>,
    /// Lines that only the last good life has printed, in order.
    pub missing: Vec<Shape>,
    /// The last life before `life` that ended in the same way.
    #[schema(value_type = Option<ComparedLife>)]
    pub alike: Option<Life>,
    /// Whether only the beginning was compared, because a life has printed very much.
    pub is_cut: bool,
}

/// Compare a life of a process with the last good ones before it.
pub fn compare(log: &Log<'_>, name: &ProcName) -> io::Result<Comparison> {
    let Some(stream) = log.stream(name) else { return Ok(Comparison::default()) };
    let lives = last_lives(log, name)?;
    let Some((life, earlier)) = in_question(&lives) else { return Ok(Comparison::default()) };
    let good = good_before(earlier);
    let Some(last_good) = good.first() else {
        return Ok(Comparison { life: Some(*life), ..Comparison::default() });
    };
    let whole = |life: &Life, until| shapes(log, stream, life, (life.started, until));
    let (mine, mut is_cut) = whole(life, Timestamp::LAST)?;
    let mut known = Shapes::new();
    let mut missing = vec![];
    for one in &good {
        let until = one.good_until().unwrap_or(Timestamp::LAST);
        let (other, other_cut) = whole(one, until)?;
        is_cut |= other_cut;
        if one == last_good {
            missing = only(&other, &mine);
        }
        known.extend(other);
    }
    let new = only(&mine, &known);
    let alike = match earlier.iter().rfind(|one| one.has_failed()) {
        Some(failed) => ended_with(log, stream, failed, &new)?.then_some(*failed),
        None => None,
    };
    Ok(Comparison { life: Some(*life), good, new, missing, alike, is_cut })
}

/// Whether a life that failed printed most of these lines shortly before its end.
fn ended_with(log: &Log<'_>, stream: StreamNo, failed: &Life, new: &[Shape]) -> io::Result<bool> {
    let Some((ended, _)) = failed.ended else { return Ok(false) };
    let since = ended - BAD_END.min(ended.since(failed.started));
    let (last, _) = shapes(log, stream, failed, (since, Timestamp::LAST))?;
    let alike = new.iter().filter(|one| last.contains_key(&shape(&one.text))).count();
    Ok(alike > 0 && alike * 2 >= new.len())
}

/// The life to compare, and those before it.
fn in_question(lives: &[Life]) -> Option<(&Life, &[Life])> {
    let (last, earlier) = lives.split_last()?;
    match earlier.split_last() {
        Some((failed, earlier)) if last.ended.is_none() && failed.has_failed() => {
            Some((failed, earlier))
        }
        Some(_) | None => Some((last, earlier)),
    }
}

/// The last lives that were good, the last one first; if none was good to its end, those that were until
/// shortly before it.
fn good_before(lives: &[Life]) -> Vec<Life> {
    let newest = || lives.iter().rev();
    let mut good: Vec<_> =
        newest().filter(|life| life.is_good()).take(MOST_LIVES).copied().collect();
    if good.is_empty() {
        good.extend(newest().filter(|life| life.good_until().is_some()).take(MOST_LIVES));
    }
    good
}

/// What only these have, in order.
fn only(these: &Shapes, those: &Shapes) -> Vec<Shape> {
    let only = these.iter().filter(|(shape, _)| !those.contains_key(*shape));
    let mut only: Vec<_> = only.map(|(_, found)| found.clone()).collect();
    only.sort_by_key(|found| found.at);
    only.truncate(MOST_SHAPES);
    only
}

/// The lives of a process that are needed to find the good ones, oldest first.
fn last_lives(log: &Log<'_>, name: &ProcName) -> io::Result<Vec<Life>> {
    let mut index = log.open_index()?;
    let mut search = Landmarks::new(log.dirs());
    let floor = log.begin().record.max(index.first()?);
    let head = index.len()?;
    let mut landmarks = vec![];
    let mut end = head;
    loop {
        let found = search.before(&mut index, end, floor)?;
        let own = |landmark: &Landmark| landmark.name.as_deref() == Some(name.as_str());
        end = found.records.start;
        landmarks.splice(0..0, found.landmarks.into_iter().filter(own));
        let lives = lives(&landmarks, head);
        let earlier = in_question(&lives).map(|(_, earlier)| earlier).unwrap_or_default();
        let is_enough = earlier.iter().any(Life::is_good);
        if is_enough || end <= floor {
            return Ok(lives);
        }
    }
}

/// The lives that begin in these landmarks of one process.
fn lives(landmarks: &[Landmark], head: u64) -> Vec<Life> {
    let mut lives: Vec<Life> = vec![];
    for Landmark { record, time, what, .. } in landmarks {
        if let LandmarkEvent::Started(life) = what {
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
        if *what == LandmarkEvent::Installing {
            // An installation is not an execution of the program.
            lives.pop();
        }
        let Some(life) = lives.last_mut() else { continue };
        match what {
            LandmarkEvent::Ready => life.ready = true,
            LandmarkEvent::Asked => life.asked = true,
            LandmarkEvent::Failed => life.failed = true,
            LandmarkEvent::Exited(exit) => life.ended = Some((*time, *exit)),
            // The rest says nothing about how a life went.
            _ => {}
        }
    }
    lives
}

type Shapes = HashMap<String, Shape>;

/// The shapes of the lines of a life between these times; the flag says that it has printed more than was
/// read.
fn shapes(
    log: &Log<'_>,
    stream: StreamNo,
    life: &Life,
    (since, until): (Timestamp, Timestamp),
) -> io::Result<(Shapes, bool)> {
    let mut index = log.open_index()?;
    let first = index.search_time(since)?.max(life.records.0);
    let from = Position::at(first).max(log.begin());
    let mut cursor = Cursor::over(index, from, log.output_of(stream));
    let mut shapes = Shapes::new();
    let mut text = vec![];
    let mut bytes = 0;
    let mut lines = 0;
    while let Some(chunk) = cursor.next(life.records.1, &mut text)? {
        if chunk.record.kind != Kind::Text {
            continue;
        }
        if chunk.record.time > until {
            break;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Life, good_before, in_question};
    use crate::model::time::Timestamp;
    use crate::model::{Exit, LifeId};

    fn life(number: u32, seconds: Option<u64>, code: u8) -> Life {
        let started = Timestamp::from_nanos(1_000_000_000 * 1000 * u64::from(number));
        Life {
            life: LifeId::nth(number),
            started,
            ended: seconds.map(|s| (started + Duration::from_secs(s), Exit::Code(code))),
            ready: false,
            records: (0, 0),
            asked: false,
            failed: false,
        }
    }

    #[test]
    fn the_failed_life_is_compared_even_if_the_process_runs_again() {
        let lives = [life(1, Some(90), 0), life(2, Some(1), 1), life(3, None, 0)];
        assert_eq!(in_question(&lives).unwrap(), (&lives[1], &lives[..1]));
        let lives = [life(1, Some(90), 0), life(2, None, 0)];
        assert_eq!(in_question(&lives).unwrap().0, &lives[1], "the one before was good");
    }

    #[test]
    fn a_life_that_failed_late_was_good_until_shortly_before() {
        let (long, short) = (life(1, Some(90), 1), life(2, Some(50), 1));
        assert_eq!(good_before(&[long, short]), [long]);
        assert_eq!(long.good_until(), Some(long.started + Duration::from_secs(80)));
        let ready = Life { ready: true, ..life(3, Some(25), 1) };
        assert_eq!(good_before(&[long, ready]), [ready, long]);
        let early = Life { ready: true, ..life(3, Some(15), 1) };
        assert_eq!(good_before(&[early]), []);
        let good = life(4, Some(1), 0);
        assert_eq!(good_before(&[good, long, ready]), [good], "one that was good to its end");
        let many: Vec<_> = (1..9).map(|number| life(number, Some(1), 0)).collect();
        assert_eq!(good_before(&many).len(), 5);
    }
}
