//! Derives the states of processes from the journal.

use std::collections::HashMap;
use std::io;

use super::landmark::{Landmark, LandmarkEvent, Landmarks};
use crate::model::ProcessStatus;
use crate::model::state::ProcessState;
use crate::reader::IndexReader;
use crate::segment::Dirs;
use crate::streams::Streams;

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
