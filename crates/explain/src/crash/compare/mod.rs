//! Compares what a life printed with what the last good lives of the same process printed: a line that none
//! of theirs is like is often the first sign of what went wrong.

mod shape;

use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::time::Duration;

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
const GOOD_AFTER: Duration = Duration::from_secs(60);
/// A life that failed was good until so long before its end, if it had lasted twice as long.
const BAD_END: Duration = Duration::from_secs(10);
/// With so many good lives a life is compared at most.
const MOST_LIVES: usize = 5;

/// A life that was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ComparedLife)]
pub struct Life {
    /// Its number.
    #[schema(value_type = u32)]
    pub life: LifeId,
    /// When it began, RFC 3339 in UTC.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub started: Timestamp,
    /// When it ended; null if it runs.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    ended: Option<Timestamp>,
    /// How it ended.
    pub exit: Option<Exit>,
    /// Whether it failed.
    pub failed: bool,
    #[serde(skip)]
    pub became_ready: bool,
    #[serde(skip)]
    pub was_asked_to_end: bool,
    /// Its records, up to its end.
    #[serde(skip)]
    records: (u64, u64),
}

impl Life {
    /// How long it lasted; `None` if it runs.
    pub fn lasted(&self) -> Option<Duration> {
        Some(self.ended?.since(self.started))
    }

    /// Until when it shows how the process prints when all is well; `None` if it does not.
    fn good_until(&self) -> Option<Timestamp> {
        let lasted = self.lasted()?;
        let is_done = self.exit?.success() && !self.was_asked_to_end;
        let was_good = self.became_ready || lasted >= GOOD_AFTER;
        if !self.failed {
            return self.ended.filter(|_| was_good || is_done);
        }
        (was_good && lasted >= 2 * BAD_END).then(|| self.started + lasted.saturating_sub(BAD_END))
    }

    /// Whether all of it shows that.
    fn is_good(&self) -> bool {
        !self.failed && self.good_until().is_some()
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

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn as_text_or_null<S: Serializer>(value: &Option<impl Display>, to: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(to)
}

/// Two lives of a process side by side.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct Comparison {
    /// The current or last life; for a process that runs again after a failure, the life that failed. Null if it
    /// has not run.
    pub life: Option<Life>,
    /// The last good lives before it, the last one first.
    pub good: Vec<Life>,
    /// Lines that only `life` has printed, in order: the first line of each kind.
    pub new: Vec<Shape>,
    /// Lines that only the last good life has printed, in order.
    pub missing: Vec<Shape>,
    /// The last life before `life` that ended in the same way.
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
    let whole = |life: &Life, until| shapes(log, stream, life, life.started, until);
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
    let alike = match earlier.iter().rfind(|one| one.failed) {
        Some(failed) => ended_with(log, stream, failed, &new)?.then_some(*failed),
        None => None,
    };
    Ok(Comparison { life: Some(*life), good, new, missing, alike, is_cut })
}

/// Whether a life that failed printed most of these lines shortly before its end.
fn ended_with(log: &Log<'_>, stream: StreamNo, failed: &Life, new: &[Shape]) -> io::Result<bool> {
    let Some(ended) = failed.ended else { return Ok(false) };
    let since = ended - BAD_END.min(ended.since(failed.started));
    let (last, _) = shapes(log, stream, failed, since, Timestamp::LAST)?;
    let alike = new.iter().filter(|one| last.contains_key(&shape(&one.text))).count();
    Ok(alike > 0 && alike * 2 >= new.len())
}

/// The life to compare, and those before it.
fn in_question(lives: &[Life]) -> Option<(&Life, &[Life])> {
    let (last, earlier) = lives.split_last()?;
    match earlier.split_last() {
        Some((failed, earlier)) if last.ended.is_none() && failed.failed => Some((failed, earlier)),
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
                exit: None,
                failed: false,
                became_ready: false,
                was_asked_to_end: false,
                records: (*record, head),
            });
        }
        if *what == LandmarkEvent::Installing {
            // An installation is not an execution of the program.
            lives.pop();
        }
        let Some(life) = lives.last_mut() else { continue };
        match what {
            LandmarkEvent::Ready => life.became_ready = true,
            LandmarkEvent::Asked => life.was_asked_to_end = true,
            LandmarkEvent::Failed => life.failed = true,
            LandmarkEvent::Exited(exit) => {
                life.ended = Some(*time);
                life.exit = Some(*exit);
            }
            // The rest says nothing about how a life went.
            _ => {}
        }
    }
    for life in &mut lives {
        let failed_by_itself = life.exit.is_some_and(|exit| !exit.success());
        life.failed |= failed_by_itself && !life.was_asked_to_end;
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
    since: Timestamp,
    until: Timestamp,
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
            ended: seconds.map(|s| started + Duration::from_secs(s)),
            exit: seconds.map(|_| Exit::Code(code)),
            failed: seconds.is_some() && code != 0,
            became_ready: false,
            was_asked_to_end: false,
            records: (0, 0),
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
        let ready = Life { became_ready: true, ..life(3, Some(25), 1) };
        assert_eq!(good_before(&[long, ready]), [ready, long]);
        let early = Life { became_ready: true, ..life(3, Some(15), 1) };
        assert_eq!(good_before(&[early]), []);
        let good = life(4, Some(1), 0);
        assert_eq!(good_before(&[good, long, ready]), [good], "one that was good to its end");
        let many: Vec<_> = (1..9).map(|number| life(number, Some(1), 0)).collect();
        assert_eq!(good_before(&many).len(), 5);
    }
}
