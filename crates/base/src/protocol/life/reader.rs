//! Reading a life file: following a live one, and evaluating that of a dead run.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use super::{LifeEntry, LifeEvent};
use crate::model::ProcessId;
use crate::sys::files;

/// How much of a life file is read at once.
const CHUNK: usize = 16 << 10;
/// Longer than any line that a shim writes.
const LONGEST_LINE: usize = 1 << 20;

/// Follows a life file: each call returns what was appended since the last one.
#[derive(Debug, Default)]
pub struct LifeReader {
    path: std::path::PathBuf,
    file: Option<File>,
    lines: Lines,
}

impl LifeReader {
    /// Follow this file from its beginning; it need not exist yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// The entries appended since the last call. If the file was removed it is read to its end, and
    /// reading continues with the file that has taken its place.
    pub fn poll(&mut self) -> std::io::Result<Vec<LifeEntry>> {
        let emptied = |file: &File| file.metadata().is_ok_and(|m| m.len() < self.lines.read);
        if self.file.as_ref().is_some_and(emptied) {
            self.lines = Lines::default();
        }
        let mut entries = self.read_entries()?;
        let removed = |file: &File| file.metadata().is_ok_and(|meta| meta.nlink() == 0);
        if self.file.as_ref().is_some_and(removed) {
            (self.file, self.lines) = (None, Lines::default());
            entries.extend(self.read_entries()?);
        }
        Ok(entries)
    }

    fn read_entries(&mut self) -> std::io::Result<Vec<LifeEntry>> {
        let file = match &mut self.file {
            Some(file) => file,
            none => match files::open_plain(&self.path) {
                Ok(file) => none.insert(file),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
                // The shim moves the directory away when it has something to write.
                Err(_) if self.path.is_dir() => return Ok(vec![]),
                Err(error) => return Err(error),
            },
        };
        let (mut entries, mut text) = (vec![], vec![0; CHUNK]);
        loop {
            match file.read_at(&mut text, self.lines.read) {
                Ok(0) => return Ok(entries),
                Ok(read) => entries.extend(self.lines.feed(&text[..read])),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.lines.rest.len() > LONGEST_LINE {
                // Not a line of a shim. Lines of the shim may follow, unless the file is too large to
                // come from tmo at all; then skip it whole.
                let len = file.metadata()?.len();
                let read = if len > files::OWN_LIMIT { len } else { self.lines.read };
                self.lines = Lines { read, rest: vec![] };
            }
        }
    }
}

/// The last shim recorded in a life file, and the main processes it has started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traces {
    pub shim: Option<ProcessId>,
    /// Its terminal; empty if it has none.
    pub tty: String,
    /// The version of its program.
    pub version: String,
    pub mains: Vec<ProcessId>,
}

impl Traces {
    /// The traces in this life file.
    pub fn load(path: &Path) -> Self {
        let mut traces = Self::default();
        for entry in LifeReader::new(path).poll().unwrap_or_default() {
            if let LifeEvent::Up { pid, start_time, version, tty, .. } = entry.event {
                let shim = Some((pid, start_time).into());
                traces = Self { shim, tty, version, mains: vec![] };
            } else if let LifeEvent::Start { pid, start_time, .. } = entry.event {
                traces.mains.push((pid, start_time).into());
            }
        }
        traces
    }
}

/// Splits the bytes of a life file, which may come in pieces of any size, into entries.
#[derive(Debug, Default)]
pub struct Lines {
    read: u64,
    rest: Vec<u8>,
}

impl Lines {
    /// The entries of the lines that end in this piece; invalid lines are skipped.
    pub fn feed(&mut self, text: &[u8]) -> Vec<LifeEntry> {
        self.read += text.len() as u64;
        // What is kept of earlier pieces contains no newline.
        let Some(end) = memchr::memrchr(b'\n', text) else {
            self.rest.extend_from_slice(text);
            return vec![];
        };
        let mut whole = std::mem::replace(&mut self.rest, text[end + 1..].to_vec());
        whole.extend_from_slice(&text[..=end]);
        whole.split(|&b| b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}
