//! Clearing the log.
//!
//! Files are never truncated or replaced while they may have a writer. During a run, files that have no writer any more
//! are deleted, and what has been printed so far is overwritten in the others. Offsets stay: readers take the range as
//! removed. Without a run everything is deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{
    self,
    ErrorKind::{QuotaExceeded, StorageFull},
};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::index::{self, recover};
use super::retention::{delete_old_output, remove};
use crate::model::plan::LogPolicy;
use crate::model::request::Cleared;
use crate::protocol::spec::replace;
use crate::segment::{Dirs, LOG, Listing, TIMES, collect, parse_name};
use crate::streams;
use crate::streams::Streams;
use crate::sys::files;

/// A file next to the segments. Its first line is the number of the first record that is not cleared. A line for each
/// stream follows: its name in file names, and the offset of the first byte that is not cleared.
const FILE: &str = "@cleared";

/// Only one at a time: a mark never moves back.
static CLEARING: Mutex<()> = Mutex::new(());

fn read_marks(dirs: &Dirs) -> String {
    // If the file can't be read, show too much rather than nothing.
    let text = files::read_plain(&dirs.journal.join(FILE)).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// The number of the first record that is not cleared.
pub fn mark(dirs: &Dirs) -> u64 {
    read_marks(dirs).lines().next().and_then(|line| line.trim().parse().ok()).unwrap_or(0)
}

/// The offset of the first byte of a stream, by its name in files, that is not cleared.
pub(crate) fn removed_upto(dirs: &Dirs, slug: &str) -> u64 {
    let marks = read_marks(dirs);
    let mut marks = marks.lines().skip(1).filter_map(|line| line.rsplit_once(' '));
    marks.find(|(name, _)| *name == slug).and_then(|(_, offset)| offset.parse().ok()).unwrap_or(0)
}

/// Clear everything that has been written so far, during a run.
pub fn clear_behind(dirs: &Dirs) -> io::Result<Cleared> {
    let _one = CLEARING.lock().unwrap_or_else(PoisonError::into_inner);
    let before = disk_space(dirs)?;
    let standing = recover(dirs)?.standing;
    let streams = Streams::open(dirs)?;
    let summaries = standing.streams.values();
    let ends: BTreeMap<String, u64> =
        summaries.filter_map(|of| Some((streams.slug(of.stream)?, of.end))).collect();
    let mut marks = format!("{}\n", standing.next);
    for (slug, end) in &ends {
        // Writing to a string does not fail.
        let _ = writeln!(marks, "{slug} {end}");
    }
    let mark = || replace(&dirs.journal.join(FILE), marks.as_bytes());
    // Before anything is removed, so that readers know zeros from output. On a full disk, as soon as there is room: if
    // this is killed after overwriting and before that, readers show zeros until the next clearing.
    let mut marked = match mark() {
        Err(error) if !matches!(error.kind(), StorageFull | QuotaExceeded) => return Err(error),
        marked => marked,
    };
    let dir = dirs.journal.clone().into();
    let policy = LogPolicy { dir, per_process: 1, total: 1, max_age_ms: 0 };
    delete_old_output(dirs, &policy, |slug| ends.get(slug).copied())?;
    marked = marked.or_else(|_| mark());
    let mut stays = BTreeSet::new();
    for (slug, end) in ends {
        if overwrite(dirs, &slug, end)? {
            let of = streams.all().iter().find(|stream| stream.slug() == slug);
            stays.extend(of.map(|of| format!("the unfinished line of {}", of.name)));
        }
    }
    marked.or_else(|_| mark())?;
    let kept = disk_space(dirs)?;
    let stays = stays.into_iter().collect();
    Ok(Cleared { freed: before.saturating_sub(kept), kept, stays })
}

/// Overwrite the beginning of a segment, up to this offset of its stream: the rest of a line of a segment that is being
/// deleted.
pub(crate) fn remove_torn(
    dir: &Path,
    slug: &str,
    (file, length): (&File, u64),
    upto: u64,
) -> io::Result<()> {
    // What is just being cleared needs no more marks.
    let Ok(_one) = CLEARING.try_lock() else { return Ok(()) };
    let dirs = Dirs::new(dir, None);
    let (first, marks) = (mark(&dirs), read_marks(&dirs));
    let is_other = |line: &&str| line.rsplit_once(' ').is_some_and(|(name, _)| name != slug);
    let others: String = marks.lines().filter(is_other).flat_map(|line| [line, "\n"]).collect();
    replace(&dir.join(FILE), format!("{first}\n{others}{slug} {upto}\n").as_bytes())?;
    files::zero(file, length)
}

/// Overwrite what a stream has before this offset; returns whether an unfinished line follows.
fn overwrite(dirs: &Dirs, slug: &str, end: u64) -> io::Result<bool> {
    let mut listing = Listing::new(slug, LOG);
    listing.reload(dirs)?;
    let mut last = [b'\n'];
    for segment in listing.segments() {
        let Some(path) = segment.path(dirs, slug, LOG) else { continue };
        // The retention may have deleted it.
        let Some(file) = files::if_there(files::open_to_read_and_write(&path))? else { continue };
        let length = file.metadata()?.len();
        let cleared = end.min(segment.end(length)).saturating_sub(segment.start);
        files::zero(&file, cleared)?;
        if cleared < length {
            file.read_exact_at(&mut last, length - 1)?;
        }
    }
    Ok(last != [b'\n'])
}

/// Delete the whole log. It must not have any writers.
pub fn clear_all(dirs: &Dirs) -> io::Result<Cleared> {
    let freed = disk_space(dirs)?;
    for name in file_names(dirs)? {
        remove(&dirs.journal.join(name))?;
    }
    for name in [streams::FILE, FILE] {
        remove(&dirs.journal.join(name))?;
    }
    Ok(Cleared { freed, kept: 0, stays: vec![] })
}

fn file_names(dirs: &Dirs) -> io::Result<Vec<String>> {
    let mut names = vec![];
    collect(&dirs.journal, |name| {
        let index = matches!(parse_name(name, ""), Some((index::SLUG, _)));
        if index || parse_name(name, LOG).is_some() || parse_name(name, TIMES).is_some() {
            names.push(name.to_owned());
        }
    })?;
    Ok(names)
}

/// The disk space that the log takes.
fn disk_space(dirs: &Dirs) -> io::Result<u64> {
    /// The unit of `blocks`, whatever the size of those of the file system.
    const BLOCK: u64 = 512;
    let blocks =
        |name: &String| fs::metadata(dirs.journal.join(name)).map_or(0, |meta| meta.blocks());
    Ok(file_names(dirs)?.iter().map(blocks).sum::<u64>() * BLOCK)
}
