//! Following a life file, and what it tells of a run that is gone.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use super::{Entry, LifeEvent};
use crate::sys::files;

/// How much of a life file is read at once.
const CHUNK: usize = 16 << 10;
/// No line of a shim comes near that.
const LONGEST_LINE: usize = 1 << 20;

/// Follows a life file: each call returns what was appended since the last one.
#[derive(Debug)]
pub struct LifeReader {
    path: std::path::PathBuf,
    file: Option<File>,
    lines: Lines,
}

impl LifeReader {
    /// Follow this file from its beginning; it need not exist yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, lines: Lines::default() }
    }

    /// The entries appended since the last call. A file that was removed is read to its end; what
    /// has come in its place is gone on with.
    pub fn poll(&mut self) -> std::io::Result<Vec<Entry>> {
        let emptied = |file: &File| file.metadata().is_ok_and(|m| m.len() < self.lines.read);
        if self.file.as_ref().is_some_and(emptied) {
            self.lines = Lines::default();
        }
        let mut entries = self.read()?;
        let removed = |file: &File| file.metadata().is_ok_and(|meta| meta.nlink() == 0);
        if self.file.as_ref().is_some_and(removed) {
            (self.file, self.lines) = (None, Lines::default());
            entries.extend(self.read()?);
        }
        Ok(entries)
    }

    fn read(&mut self) -> std::io::Result<Vec<Entry>> {
        let file = match &mut self.file {
            Some(file) => file,
            none => match files::open_plain(&self.path) {
                Ok(file) => none.insert(file),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
                // The shim puts it out of the way when it has something to write.
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
                // No line of a shim. Its own may follow, unless the file is not its own at all.
                let len = file.metadata()?.len();
                let read = if len > files::OWN_LIMIT { len } else { self.lines.read };
                self.lines = Lines { read, rest: vec![] };
            }
        }
    }
}

/// The last shim that a life file tells of, and the main processes it has had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traces {
    /// Pid and start time of the shim.
    pub shim: Option<(u32, u64)>,
    /// Pids and start times.
    pub mains: Vec<(u32, u64)>,
}

impl Traces {
    /// Those in this life file.
    pub fn read(path: &Path) -> Self {
        let mut traces = Self::default();
        for entry in LifeReader::new(path).poll().unwrap_or_default() {
            if let LifeEvent::Up { pid, start_time, .. } = entry.event {
                traces = Self { shim: Some((pid, start_time)), mains: vec![] };
            } else if let LifeEvent::Start { pid, start_time, .. } = entry.event {
                traces.mains.push((pid, start_time));
            }
        }
        traces
    }
}

/// The bytes of a life file, taken in pieces of any size.
#[derive(Debug, Default)]
pub struct Lines {
    read: u64,
    rest: Vec<u8>,
}

impl Lines {
    /// The entries of the lines that end in this piece; lines that are none are skipped.
    pub fn feed(&mut self, text: &[u8]) -> Vec<Entry> {
        self.read += text.len() as u64;
        // What is kept of earlier pieces has no end of a line.
        let Some(end) = memchr::memrchr(b'\n', text) else {
            self.rest.extend_from_slice(text);
            return vec![];
        };
        let mut whole = std::mem::replace(&mut self.rest, text[end + 1..].to_vec());
        whole.extend_from_slice(&text[..=end]);
        whole.split(|&b| b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}
