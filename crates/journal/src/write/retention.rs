//! Retention: which segments are deleted, and when.
//!
//! Only whole segments are deleted, oldest first: first those that are too old, then those of processes over their own
//! quota, then those of all processes until the total is within its limit. The newest segment of a stream
//! always stays, so that offsets are never reused, and so does everything that has no record yet. A
//! segment of the index is deleted when everything it refers to is gone, or when it is the oldest
//! and there is nothing else left to delete.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::clear;
use super::index::{self, IndexState, read_head};
use crate::model::plan::LogPolicy;
use crate::segment::{Dirs, LOG, LONGEST_SEGMENT, TIMES, collect, file_name, parse_name};
use crate::streams::{STDERR_SUFFIX, Streams};
use crate::sys::{clock, files};

/// How much a retention deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deleted {
    /// Segments of streams.
    pub segments: u64,
    /// Segments of the index.
    pub index: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// One segment of a stream.
#[derive(Debug)]
struct Piece {
    start: u64,
    end: u64,
    bytes: u64,
    written: (i64, i64),
}

#[derive(Debug)]
struct IndexSegment {
    standing: IndexState,
    path: PathBuf,
    bytes: u64,
}

/// Delete what the policy does not keep. `covered` returns the offset up to which a stream (by its
/// name in files) has records; `None` if the stream has no writer at present.
pub fn delete_old_output(
    dirs: &Dirs,
    policy: &LogPolicy,
    covered: impl Fn(&str) -> Option<u64>,
) -> io::Result<Deleted> {
    let mut retention = Retention::list_segments(&dirs.journal, Streams::open(dirs).ok())?;
    let slugs: Vec<String> = retention.pieces.keys().cloned().collect();
    let oldest = |retention: &Retention<'_>, slug: &str| {
        let covered = covered(slug).unwrap_or(u64::MAX);
        retention.deletable(slug, covered)
    };
    if policy.max_age_ms > 0 {
        let now = clock::now().seconds();
        let oldest_kept = now.saturating_sub(policy.max_age_ms / 1000);
        for slug in &slugs {
            while oldest(&retention, slug)
                .is_some_and(|(seconds, _)| u64::try_from(seconds).is_ok_and(|at| at < oldest_kept))
            {
                retention.delete(slug)?;
            }
        }
    }
    if policy.per_process > 0 {
        // Both streams of a process count towards its quota.
        let process = |slug: &str| slug.strip_suffix(STDERR_SUFFIX).unwrap_or(slug).to_owned();
        let mut of_process = BTreeMap::<String, Vec<&String>>::new();
        for slug in &slugs {
            of_process.entry(process(slug)).or_default().push(slug);
        }
        for slugs in of_process.values() {
            let bytes = |retention: &Retention<'_>| {
                slugs.iter().map(|slug| retention.bytes_of(slug)).sum::<u64>()
            };
            while bytes(&retention) > policy.per_process {
                let candidates =
                    slugs.iter().filter_map(|slug| Some((oldest(&retention, slug)?, slug)));
                let Some((_, slug)) = candidates.min() else { break };
                retention.delete(slug)?;
            }
        }
    }
    retention.delete_dead_index()?;
    if policy.total > 0 {
        while retention.total > policy.total {
            let candidates =
                slugs.iter().filter_map(|slug| Some((oldest(&retention, slug)?, slug)));
            let Some((_, slug)) = candidates.min() else { break };
            retention.delete(slug)?;
            retention.delete_dead_index()?;
        }
        while retention.total > policy.total && retention.parts.len() > 1 {
            retention.delete_index(0)?;
        }
    }
    Ok(retention.deleted)
}

struct Retention<'a> {
    dir: &'a Path,
    streams: Option<Streams>,
    pieces: BTreeMap<String, Vec<Piece>>,
    parts: Vec<IndexSegment>,
    total: u64,
    deleted: Deleted,
}

impl<'a> Retention<'a> {
    fn list_segments(dir: &'a Path, streams: Option<Streams>) -> io::Result<Self> {
        let (pieces, parts, deleted) = (BTreeMap::new(), vec![], Deleted::default());
        let mut retention = Self { dir, streams, pieces, parts, total: 0, deleted };
        let (mut times, mut numbers) = (vec![], vec![]);
        collect(dir, |name| {
            if let Some((slug, start)) = parse_name(name, LOG) {
                let pieces = retention.pieces.entry(slug.to_owned()).or_default();
                pieces.push(Piece { start, end: start, bytes: 0, written: (0, 0) });
            } else if let Some((slug, start)) = parse_name(name, TIMES) {
                times.push((slug.to_owned(), start));
            } else if let Some((index::SLUG, first)) = parse_name(name, "") {
                numbers.push(first);
            }
        })?;
        for (slug, pieces) in &mut retention.pieces {
            pieces.sort_unstable_by_key(|piece| piece.start);
            for piece in pieces {
                piece.measure(dir, slug);
                retention.total += piece.bytes;
            }
        }
        numbers.sort_unstable();
        for first in numbers {
            retention.parts.extend(IndexSegment::load(dir.join(file_name(
                index::SLUG,
                first,
                "",
            )))?);
        }
        retention.total += retention.parts.iter().map(|part| part.bytes).sum::<u64>();
        retention.delete_orphans(&times)?;
        Ok(retention)
    }

    /// Delete times files without their log file: an earlier deletion was interrupted.
    fn delete_orphans(&self, times: &[(String, u64)]) -> io::Result<()> {
        for (slug, start) in times {
            let pieces = self.pieces.get(slug).map_or(&[][..], Vec::as_slice);
            // A segment that was begun after the listing is not an orphan.
            let passed = pieces.last().is_some_and(|last| *start < last.start);
            if passed && pieces.iter().all(|piece| piece.start != *start) {
                remove(&self.dir.join(file_name(slug, *start, TIMES)))?;
            }
        }
        Ok(())
    }

    fn bytes_of(&self, slug: &str) -> u64 {
        self.pieces.get(slug).map_or(0, |pieces| pieces.iter().map(|piece| piece.bytes).sum())
    }

    /// The time of the last write to the oldest segment of a stream, if that segment may be
    /// deleted.
    fn deletable(&self, slug: &str, covered: u64) -> Option<(i64, i64)> {
        match self.pieces.get(slug)?.as_slice() {
            [oldest, _, ..] if oldest.end <= covered => Some(oldest.written),
            _ => None,
        }
    }

    /// Delete the oldest segment of a stream.
    fn delete(&mut self, slug: &str) -> io::Result<()> {
        let Some(pieces) = self.pieces.get_mut(slug).filter(|pieces| !pieces.is_empty()) else {
            return Ok(());
        };
        let piece = pieces.remove(0);
        if let Some(next) = pieces.first() {
            // If this fails, a part of a line stays.
            let _ = remove_torn_line(self.dir, slug, (&piece, next));
        }
        for ending in [LOG, TIMES] {
            remove(&self.dir.join(file_name(slug, piece.start, ending)))?;
        }
        self.total -= piece.bytes;
        self.deleted.segments += 1;
        self.deleted.bytes += piece.bytes;
        Ok(())
    }

    /// Delete the segments of the index that no longer refer to anything.
    fn delete_dead_index(&mut self) -> io::Result<()> {
        let mut at = 0;
        while at + 1 < self.parts.len() {
            if self.dead(&self.parts[at].standing, &self.parts[at + 1].standing) {
                self.delete_index(at)?;
            } else {
                at += 1;
            }
        }
        Ok(())
    }

    /// Whether everything that the records between two states refer to has been deleted.
    fn dead(&self, before: &IndexState, after: &IndexState) -> bool {
        after.streams.iter().all(|(stream, summary)| {
            let slug = self.streams.as_ref().and_then(|streams| streams.slug(*stream));
            let pieces = slug.and_then(|slug| self.pieces.get(&slug));
            let start = pieces.and_then(|pieces| pieces.first()).map_or(u64::MAX, |p| p.start);
            summary.end <= before.stream(*stream).end || summary.end <= start
        })
    }

    fn delete_index(&mut self, at: usize) -> io::Result<()> {
        let part = self.parts.remove(at);
        remove(&part.path)?;
        self.total -= part.bytes;
        self.deleted.index += 1;
        self.deleted.bytes += part.bytes;
        Ok(())
    }
}

/// Remove the rest of a line from a segment if it begins in the one before it, which is being deleted.
fn remove_torn_line(dir: &Path, slug: &str, (old, next): (&Piece, &Piece)) -> io::Result<()> {
    /// A longer line stays torn.
    const LONGEST: usize = 64 << 10;
    let path = |piece: &Piece| dir.join(file_name(slug, piece.start, LOG));
    let mut bytes = vec![0; LONGEST];
    let last = old.end.saturating_sub(old.start + 1);
    let read = files::open_plain(&path(old))?.read_at(&mut bytes[..1], last)?;
    // A zero: it was cleared up to its end.
    if matches!(bytes[..read], [b'\n' | 0]) {
        return Ok(());
    }
    let file = files::open_to_read_and_write(&path(next))?;
    let read = file.read_at(&mut bytes, 0)?;
    let Some(newline) = memchr::memchr(b'\n', &bytes[..read]) else { return Ok(()) };
    let torn = newline as u64 + 1;
    clear::remove_torn(dir, slug, (&file, torn), next.start + torn)
}

impl Piece {
    fn measure(&mut self, dir: &Path, slug: &str) {
        if let Ok(meta) = fs::metadata(dir.join(file_name(slug, self.start, LOG))) {
            self.bytes = meta.len().min(LONGEST_SEGMENT);
            self.end = self.start + self.bytes;
            self.written = (meta.mtime(), meta.mtime_nsec());
        }
        let times = fs::metadata(dir.join(file_name(slug, self.start, TIMES)));
        self.bytes += times.map_or(0, |meta| meta.len().min(LONGEST_SEGMENT));
    }
}

impl IndexSegment {
    /// `None` if its head is invalid: the next writer handles that.
    fn load(path: PathBuf) -> io::Result<Option<Self>> {
        let file = files::open_plain(&path)?;
        let bytes = file.metadata()?.len();
        Ok(read_head(&file)?.map(|(standing, _)| Self { standing, path, bytes }))
    }
}

pub(crate) fn remove(path: &Path) -> io::Result<()> {
    files::if_there(fs::remove_file(path)).map(drop)
}
