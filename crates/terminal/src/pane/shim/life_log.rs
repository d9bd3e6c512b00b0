//! Writing the life file and ringing the bell.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;

use crate::model::LifeId;
use crate::model::time::Timestamp;
use crate::protocol::life::{LifeEvent, LifeReader, LifeWriter};
use crate::protocol::paths::PanePaths;
use crate::sys::{clock, files};

/// Records events in the life file and rings the bell.
///
/// Events that cannot be written (the disk is full) are queued and written, in order, before newer
/// ones.
#[derive(Debug)]
pub(super) struct LifeLogWriter {
    path: PathBuf,
    bell: PathBuf,
    writer: Option<LifeWriter>,
    /// Sequence numbers up to this one are not used again.
    known: u64,
    /// The `Up` entry. It is repeated when the life file was removed, so that its readers know the
    /// shim.
    up: Option<LifeEvent>,
    waiting: VecDeque<(Timestamp, LifeEvent)>,
    /// Held for as long as this shim lives: two shims would use the same sequence numbers.
    _lock: Option<File>,
}

impl LifeLogWriter {
    /// The life log of this pane. Waits until a previous shim of the pane has exited, because respawning
    /// a pane does not wait for that.
    pub(super) fn new(paths: &PanePaths) -> Self {
        let (path, bell) = (paths.life(), paths.bell());
        let lock = lock(&path);
        let waiting = VecDeque::new();
        Self { path, bell, writer: None, known: 0, up: None, waiting, _lock: lock }
    }

    /// The supervisor knows the entries up to this sequence number: do not use them again.
    pub(super) const fn go_on_after(&mut self, known: u64) {
        self.known = known;
    }

    /// The highest life that any shim of this pane has begun or skipped.
    pub(super) fn begun(&self) -> Option<LifeId> {
        let entries = LifeReader::new(&self.path).poll().unwrap_or_default();
        let begun = entries.iter().filter_map(|entry| {
            let (LifeEvent::Start { life, .. } | LifeEvent::Skipped { life }) = entry.event else {
                return None;
            };
            Some(life)
        });
        begun.max()
    }

    /// Record an event and ring the bell. Returns its sequence number, or `None` if it is queued.
    pub(super) fn note(&mut self, event: LifeEvent) -> Option<u64> {
        self.note_with(0, event)
    }

    /// Like `Self::note`, with a key for the marker.
    pub(super) fn note_with(&mut self, key: u32, event: LifeEvent) -> Option<u64> {
        let at = clock::now();
        if matches!(event, LifeEvent::Up { .. }) {
            self.up = Some(event.clone());
        }
        let seq = if self.flush() { self.append(key, at, &event) } else { None };
        if seq.is_none() {
            self.waiting.push_back((at, event));
        }
        self.ring();
        seq
    }

    /// Whether events are queued.
    pub(super) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Try again to write the queued events.
    pub(super) fn catch_up(&mut self) {
        if self.is_behind() && self.flush() {
            self.ring();
        }
    }

    fn flush(&mut self) -> bool {
        while let Some((at, event)) = self.waiting.pop_front() {
            let Some(of) = self.append(0, at, &event) else {
                self.waiting.push_front((at, event));
                return false;
            };
            if event.marked() {
                // Its marker could not be written at the time, because that needs the sequence
                // number.
                self.waiting.push_front((at, LifeEvent::Unmarked { of, gone: false }));
            }
        }
        true
    }

    fn append(&mut self, key: u32, at: Timestamp, event: &LifeEvent) -> Option<u64> {
        if self.writer.is_none() {
            self.writer = LifeWriter::open(&self.path).ok();
        }
        if let Some(last) = self.writer.as_ref().filter(|w| w.is_spoiled()).map(LifeWriter::last) {
            let mut fresh = LifeWriter::open(&self.path).ok()?;
            fresh.go_on_after(last);
            if let Some(up) = &self.up {
                fresh.append(at, up.clone()).ok()?;
            }
            self.writer = Some(fresh);
        }
        let writer = self.writer.as_mut()?;
        writer.go_on_after(self.known);
        let seq = writer.append_with(key, at, event.clone()).ok();
        self.known = self.known.max(seq.unwrap_or(0));
        if seq.is_none() {
            // The line may have been written in part. Opening the file again terminates it.
            self.writer = None;
        }
        seq
    }

    /// Wake the supervisor.
    pub(super) fn ring(&self) {
        // If the bell is full or has no reader there is nothing to do.
        if let Ok(mut bell) = files::open_fifo(&self.bell, false) {
            let _ = bell.write(b"l");
        }
    }
}

/// Lock the life file, waiting as long as necessary. If the file system does not support locks,
/// continue without one.
fn lock(path: &Path) -> Option<File> {
    let file = files::append_to(path).ok()?;
    retry_on_intr(|| flock(&file, FlockOperation::LockExclusive)).ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::LifeLogWriter;
    use crate::model::LifeId;
    use crate::protocol::life::{LifeEvent, LifeReader};
    use crate::protocol::paths::PanePaths;

    #[test]
    fn a_file_that_was_removed_is_begun_anew_with_the_next_number() {
        let dir = tempfile::tempdir().unwrap();
        let paths = PanePaths::beside(&dir.path().join("web.spec"));
        let mut diary = LifeLogWriter::new(&paths);
        let (pane, tty, version) = ("%0".to_owned(), String::new(), String::new());
        let up = LifeEvent::Up { pid: 1, start_time: 2, pane, tty, version };
        assert_eq!(diary.note(up.clone()), Some(1));
        let mut reader = LifeReader::new(&paths.life());
        assert_eq!(reader.poll().unwrap().len(), 1);
        std::fs::remove_file(paths.life()).unwrap();
        assert_eq!(diary.note(LifeEvent::Hangup {}), Some(3));
        for mut reader in [reader, LifeReader::new(&paths.life())] {
            let entries = reader.poll().unwrap();
            let found: Vec<_> = entries.into_iter().map(|e| (e.seq, e.event)).collect();
            assert_eq!(found, [(2, up.clone()), (3, LifeEvent::Hangup {})]);
        }
    }

    #[test]
    fn what_could_not_be_written_is_written_later_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let paths = PanePaths::beside(&dir.path().join("none/web.spec"));
        let mut diary = LifeLogWriter::new(&paths);
        assert_eq!(diary.note(LifeEvent::End { life: LifeId::FIRST, spared: vec![] }), None);
        assert!(diary.is_behind());
        std::fs::create_dir(dir.path().join("none")).unwrap();
        assert_eq!(diary.note(LifeEvent::Down {}), Some(3));
        assert!(!diary.is_behind());
        let events: Vec<_> = LifeReader::new(&paths.life()).poll().unwrap();
        let events: Vec<_> = events.into_iter().map(|entry| entry.event).collect();
        let end = LifeEvent::End { life: LifeId::FIRST, spared: vec![] };
        assert_eq!(events, [end, LifeEvent::Unmarked { of: 1, gone: false }, LifeEvent::Down {}]);
    }
}
