//! What happened when: starts, ends and other turning points of processes, found in steps, newest first;
//! and the states of processes that follow from them.

use std::collections::HashMap;
use std::io;

use crate::model::event::{InstallProblem, Logged, What};
use crate::model::state::ProcessState;
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, ProcessStatus};
use crate::read::index::{BATCH, IndexReader};
use crate::read::text::TextReader;
use crate::record::{EVENTS, Kind, Record};
use crate::segment::Dirs;
use crate::streams::Streams;

/// How many records one step reads.
const STEP: u64 = 65_536;

/// A turning point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landmark {
    pub record: u64,
    /// When it happened.
    pub time: Timestamp,
    /// The process; `None` for the run as a whole.
    pub name: Option<String>,
    /// What happened.
    pub what: LandmarkEvent,
}

/// What happened at a landmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LandmarkEvent {
    RunBegan,
    RunEnded,
    /// This life of the process began.
    Started(Option<LifeId>),
    /// Its current life installs it.
    Installing,
    /// It became ready.
    Ready,
    /// It was asked to end.
    Asked,
    /// It ended.
    Exited(Exit),
    /// It failed while it ran: its output or a check says so. tmo ends it then.
    Failed,
    /// It was not started.
    Skipped,
    /// It printed a line that matches a flag.
    Flagged,
    /// Output is missing.
    Gap,
}

/// Landmarks, and how far they were looked for.
#[derive(Debug, Default)]
pub struct LandmarkPage {
    /// The landmarks, in the order of the journal.
    pub landmarks: Vec<Landmark>,
    /// All of these records were read.
    pub records: std::ops::Range<u64>,
}

/// Finds landmarks.
#[derive(Debug)]
pub struct Landmarks {
    texts: TextReader,
}

impl Landmarks {
    /// In the journal in these directories.
    pub fn new(dirs: &Dirs) -> Self {
        Self { texts: TextReader::new(dirs) }
    }

    /// Take one step down from record `end`, at most to record `floor`.
    pub fn before(
        &mut self,
        index: &mut IndexReader,
        end: u64,
        floor: u64,
    ) -> io::Result<LandmarkPage> {
        let (mut found, mut at, mut records) = (vec![], end, vec![]);
        let until = floor.max(end.saturating_sub(STEP));
        while at > until {
            let Some(first) = index.before(at, &mut records, BATCH)? else {
                at = floor.min(at);
                break;
            };
            for (number, record) in records.iter().enumerate().rev() {
                let number = first + number as u64;
                if number >= floor {
                    found.extend(self.landmark(number, record)?);
                }
            }
            at = first;
        }
        found.reverse();
        Ok(LandmarkPage { landmarks: found, records: at.max(floor).min(end)..end })
    }

    fn landmark(&mut self, number: u64, record: &Record) -> io::Result<Option<Landmark>> {
        let what = match record.kind {
            Kind::Text | Kind::End => return Ok(None),
            Kind::Start => LandmarkEvent::Started(record.life),
            Kind::Gap => LandmarkEvent::Gap,
            Kind::Exit => match record.exit() {
                Some(exit) => LandmarkEvent::Exited(exit),
                None => return Ok(None),
            },
            Kind::Event => {
                let mut text = vec![];
                self.texts.read(EVENTS, record.offset, record.len as usize, &mut text)?;
                let Some(event) = Logged::from_json(&text) else { return Ok(None) };
                let Some(what) = event.what().and_then(landmark_event) else { return Ok(None) };
                let name = event.name().map(ToString::to_string);
                return Ok(Some(Landmark { record: number, time: record.time, name, what }));
            }
        };
        let name = self.texts.name(record.stream);
        Ok(Some(Landmark { record: number, time: record.time, name, what }))
    }
}

/// What an event is for the timeline; the page decides the same by `whatOf` in `timeline/marks.js`.
const fn landmark_event(what: &What) -> Option<LandmarkEvent> {
    Some(match what {
        What::Begin { .. } => LandmarkEvent::RunBegan,
        What::End { .. } => LandmarkEvent::RunEnded,
        What::Installing { .. } => LandmarkEvent::Installing,
        What::Ready => LandmarkEvent::Ready,
        What::Interrupting | What::Killing | What::Hangup => LandmarkEvent::Asked,
        What::Failing { .. } | What::Unhealthy { .. } | What::Broken { .. } => {
            LandmarkEvent::Failed
        }
        What::InstallFailed { why, .. } if !matches!(why, InstallProblem::Interrupted) => {
            LandmarkEvent::Failed
        }
        What::Skipped { .. } => LandmarkEvent::Skipped,
        What::Flag { .. } => LandmarkEvent::Flagged,
        _ => return None,
    })
}

/// The most steps back to find the states of processes that no longer run.
const MOST_STEPS: usize = 16;

/// The states of processes after these events, by name.
pub fn states_after(
    marks: &[Landmark],
    processes: &[ProcessState],
) -> HashMap<String, ProcessState> {
    let unknown = |process: &ProcessState| {
        let mut then = ProcessState::new(process.name.clone(), ProcessStatus::Stopped, None);
        then.config.color = process.config.color;
        (process.name.to_string(), then)
    };
    let mut all: HashMap<_, _> = processes.iter().map(unknown).collect();
    // Whether the current life was requested to end, or has failed.
    let mut asked = HashMap::<&str, bool>::new();
    for mark in marks {
        if mark.what == LandmarkEvent::RunBegan {
            all = processes.iter().map(unknown).collect();
        }
        let Some(name) = mark.name.as_deref() else { continue };
        let Some(then) = all.get_mut(name) else { continue };
        let status = match mark.what {
            LandmarkEvent::Started(life) => {
                (then.ends.exit, then.readiness.ready) = (None, None);
                then.lives = life.map_or(then.lives + 1, |life| life.number().into());
                asked.remove(name);
                ProcessStatus::Running
            }
            LandmarkEvent::Installing => ProcessStatus::Installing,
            LandmarkEvent::Asked if then.state == ProcessStatus::Installing => continue,
            LandmarkEvent::Asked => {
                asked.entry(name).or_insert(true);
                ProcessStatus::Stopping
            }
            LandmarkEvent::Failed => {
                asked.insert(name, false);
                continue;
            }
            LandmarkEvent::Exited(exit) if then.state == ProcessStatus::Installing => {
                then.ends.exit = Some(exit);
                if exit.success() { ProcessStatus::Stopped } else { ProcessStatus::Error }
            }
            LandmarkEvent::Exited(exit) => {
                then.ends.exit = Some(exit);
                let was_asked = asked.get(name) == Some(&true);
                if was_asked { ProcessStatus::Stopped } else { ProcessStatus::Exited }
            }
            LandmarkEvent::Skipped => ProcessStatus::Skipped,
            LandmarkEvent::Ready => {
                then.readiness.ready = Some(true);
                continue;
            }
            _ => continue,
        };
        (then.state, then.since) = (status, mark.time);
    }
    all
}

/// Set the final states of processes in the last run, as far as its records have them.
pub fn last_states(dirs: &Dirs, processes: &mut [ProcessState]) -> io::Result<()> {
    // Without the list of streams, no record can be told from that of another process.
    Streams::open(dirs)?;
    let mut index = IndexReader::open(dirs);
    let floor = index.floor()?;
    let mut end = index.len()?;
    let (mut landmarks, mut marks) = (Landmarks::new(dirs), vec![]);
    for _ in 0..MOST_STEPS {
        let found = landmarks.before(&mut index, end, floor)?;
        end = found.records.start;
        marks.splice(0..0, found.landmarks);
        if end <= floor || marks.iter().any(|mark: &Landmark| mark.what == LandmarkEvent::RunBegan)
        {
            break;
        }
    }
    let mut then = states_after(&marks, processes);
    for process in processes {
        if let Some(then) = then.remove(process.name.as_str()) {
            *process = then;
        }
    }
    Ok(())
}
