//! Clearing the log.
//!
//! Files are never truncated while they may have a writer. During a run, the output so far is only
//! marked as cleared, and those of its files that have no writer any more are deleted. Without a
//! run everything is deleted.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use super::index::{self, recover};
use super::reader::IndexReader;
use super::retention::{delete_old_output, remove};
use super::segment::{Dirs, LOG, TIMES, collect, parse_name};
use super::streams::{self, Streams};
use crate::model::plan::LogPolicy;
use crate::model::request::Cleared;
use crate::protocol::spec::replace;
use crate::sys::files;

/// A file next to the segments. It contains the number of the first record that is not cleared.
const FILE: &str = "@cleared";

/// The number of the first record that is not cleared.
pub fn mark(dirs: &Dirs) -> u64 {
    // If the file can't be read, show too much rather than nothing.
    let text = files::read_plain(&dirs.journal.join(FILE)).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().parse().unwrap_or(0)
}

/// Clear everything that has been written so far, during a run.
pub fn clear_behind(dirs: &Dirs) -> io::Result<Cleared> {
    let len = IndexReader::open(dirs).len()?;
    replace(&dirs.journal.join(FILE), format!("{len}\n").as_bytes())?;
    let standing = recover(dirs)?.standing;
    let streams = Streams::open(dirs).map_err(io::Error::other)?;
    let dir = dirs.journal.clone().into();
    let policy = LogPolicy { dir, per_process: 1, total: 1, max_age_ms: 0 };
    let deleted = delete_old_output(dirs, &policy, |slug| {
        let stream = streams.all().iter().find(|stream| stream.slug() == slug)?;
        Some(standing.stream(stream.number).end)
    })?;
    let kept = file_names(dirs)?.iter().map(|name| size(dirs, name)).sum();
    Ok(Cleared { freed: deleted.bytes, kept })
}

/// Delete the whole log. It must not have any writers.
pub fn clear_all(dirs: &Dirs) -> io::Result<Cleared> {
    let mut freed = 0;
    for name in file_names(dirs)? {
        freed += size(dirs, &name);
        remove(&dirs.journal.join(name))?;
    }
    for name in [streams::FILE, FILE] {
        remove(&dirs.journal.join(name))?;
    }
    Ok(Cleared { freed, kept: 0 })
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

fn size(dirs: &Dirs, name: &str) -> u64 {
    fs::metadata(dirs.journal.join(name)).map_or(0, |meta| meta.size())
}
