//! Numbers of streams, which stay the same in all runs of a project.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::record::EVENTS;
use super::segment::{Dirs, PLACES, SegmentDir};
use super::write::append::EVENTS_SLUG;
use crate::history::OutputStream;
use crate::model::name::nearest;
use crate::model::request::Unknown;
use crate::model::{ProcName, StreamNo};
use crate::protocol::spec::replace;
use crate::sys::{self, files};

/// The name of the file.
pub const FILE: &str = "@streams.json";
/// The version of the file that this program writes.
pub const VERSION: u32 = 1;

/// The end of the name in file names of a stream that is the standard error of a process. No name of a process
/// contains `@`.
pub const STDERR_SUFFIX: &str = "@err";

/// The streams of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streams {
    dirs: Dirs,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    version: u32,
    streams: Vec<Stream>,
}

/// One stream that belongs to a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Its number in the records of the index, from 1.
    pub number: StreamNo,
    pub name: ProcName,
    /// The xterm colour of its prefix in the latest run.
    pub color: u8,
    /// It is the standard error of the process, which has another stream for the rest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stderr: bool,
    /// The groups of the process in the latest run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

impl Stream {
    /// Whether `word` selects its process: by its name, its entry, or `@` and one of its groups.
    pub fn is_meant(&self, word: &str) -> bool {
        self.name.is_selected_by(word, &self.groups)
    }

    /// What it holds.
    pub const fn output(&self) -> OutputStream {
        if self.stderr { OutputStream::Err } else { OutputStream::Out }
    }

    /// Its name in file names.
    pub fn slug(&self) -> String {
        let slug = self.name.slug();
        if self.stderr { slug + STDERR_SUFFIX } else { slug }
    }
}

/// The processes of these streams, each once.
pub fn names(streams: &[Stream]) -> impl Iterator<Item = &ProcName> + Clone {
    streams.iter().filter(|stream| !stream.stderr).map(|stream| &stream.name)
}

/// Fail if one of these words selects no process of these streams.
pub fn refuse_unknown(words: &[String], streams: &[Stream]) -> Result<(), Unknown> {
    let processes = streams.iter().filter(|stream| !stream.stderr);
    nearest::refuse_unknown(words, processes.map(|stream| (&stream.name, &stream.groups[..])))
}

/// Whether `word` selects the process with this name, which has the groups of its stream.
pub fn is_meant(word: &str, name: &ProcName, streams: &[Stream]) -> bool {
    match streams.iter().find(|stream| stream.name == *name) {
        Some(stream) => stream.is_meant(word),
        None => name.is_selected_by(word, &[]),
    }
}

/// Why the list of streams can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StreamsError {
    /// Reading or writing failed.
    #[error("{}: {}", path.display(), sys::why(source))]
    Io {
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The journal can't be in that directory.
    #[error(
        "the log can't be kept in {}: {why}; `[log] dir` in tmo.toml, or TMO_LOG_DIR, names another \
         directory", dir.display()
    )]
    Place { dir: PathBuf, why: String },
    /// The content is invalid.
    #[error("{}: not a list of streams: {source}; move the whole directory away to begin a new journal", path.display())]
    Format {
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Written by a later version of tmo.
    #[error("{}: format {found} is unknown to this tmo (it knows {VERSION})", path.display())]
    Version {
        path: PathBuf,
        /// The version it has.
        found: u32,
    },
    /// All 65,535 numbers are used.
    #[error(
        "the journal has no number left for `{name}`: 65,535 names have been used; move its directory away to begin a new one"
    )]
    Full { name: ProcName },
}

impl From<StreamsError> for io::Error {
    fn from(error: StreamsError) -> Self {
        Self::other(error)
    }
}

impl Streams {
    /// Read the streams of a journal; a new one has none.
    pub fn open(dirs: &Dirs) -> Result<Self, StreamsError> {
        let mut content = Content { version: VERSION, streams: vec![] };
        for (_, path) in files_of(dirs) {
            let text = files::if_there(files::read_plain(&path));
            let text = text.map_err(|source| unreadable(path.clone(), source))?;
            let Some(text) = text else { continue };
            let found: Content = match serde_json::from_slice(&text) {
                Ok(found) => found,
                Err(source) => return Err(StreamsError::Format { path, source }),
            };
            if found.version != VERSION {
                return Err(StreamsError::Version { path, found: found.version });
            }
            // The list only grows, so the longer one is newer.
            if found.streams.len() > content.streams.len() {
                content = found;
            }
        }
        Ok(Self { dirs: dirs.clone(), content })
    }

    /// The number of a process's stream; a new one is added if necessary.
    pub fn number(&mut self, name: &ProcName, color: u8) -> Result<StreamNo, StreamsError> {
        self.number_of(name, color, false)
    }

    /// The same for the stream of its standard error. It has a higher number.
    pub fn number_of_stderr(
        &mut self,
        name: &ProcName,
        color: u8,
    ) -> Result<StreamNo, StreamsError> {
        self.number(name, color)?;
        self.number_of(name, color, true)
    }

    fn number_of(
        &mut self,
        name: &ProcName,
        color: u8,
        stderr: bool,
    ) -> Result<StreamNo, StreamsError> {
        let streams = &mut self.content.streams;
        let mut of_process = streams.iter_mut().filter(|stream| stream.name == *name);
        if let Some(stream) = of_process.find(|stream| stream.stderr == stderr) {
            stream.color = color;
            return Ok(stream.number);
        }
        let last = streams.iter().map(|stream| stream.number).max().unwrap_or(EVENTS);
        let number =
            last.0.checked_add(1).ok_or_else(|| StreamsError::Full { name: name.clone() })?;
        let number = StreamNo(number);
        streams.push(Stream { number, name: name.clone(), color, stderr, groups: vec![] });
        Ok(number)
    }

    pub fn set_groups(&mut self, name: &ProcName, groups: &[String]) {
        for stream in self.content.streams.iter_mut().filter(|stream| stream.name == *name) {
            stream.groups = groups.to_vec();
        }
    }

    /// Write the list, to the spill directory if the journal can't be written.
    pub fn save(&self) -> Result<(), StreamsError> {
        let text = serde_json::to_vec(&self.content).unwrap_or_default();
        let mut failed = None;
        for (place, path) in files_of(&self.dirs) {
            match self.dirs.create(place).and_then(|_| replace(&path, &text)) {
                Ok(()) => return Ok(()),
                Err(source) => failed = failed.or(Some(StreamsError::Io { path, source })),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Write the list again if it was removed: without it the journal can't be shown.
    pub fn keep(&self) -> Result<(), StreamsError> {
        let is_there = files_of(&self.dirs).any(|(_, path)| path.exists());
        if is_there { Ok(()) } else { self.save() }
    }

    /// All streams of processes.
    pub fn all(&self) -> &[Stream] {
        &self.content.streams
    }

    /// Find a stream by its number.
    pub fn get(&self, number: StreamNo) -> Option<&Stream> {
        self.content.streams.iter().find(|stream| stream.number == number)
    }

    /// The name of a stream in file names.
    pub fn slug(&self, number: StreamNo) -> Option<String> {
        if number == EVENTS {
            return Some(EVENTS_SLUG.to_owned());
        }
        self.get(number).map(Stream::slug)
    }

    /// Numbers and names in file names of all streams of the processes with these main streams.
    pub fn slugs(&self, mains: &[StreamNo]) -> Vec<(StreamNo, String)> {
        let all = mains.iter().flat_map(|main| self.of_process(*main));
        all.filter_map(|number| Some((number, self.slug(number)?))).collect()
    }

    /// The stream with the starts and ends of the lives that this stream belongs to.
    pub fn main(&self, number: StreamNo) -> StreamNo {
        let stderr = self.get(number).filter(|stream| stream.stderr);
        self.all()
            .iter()
            .find(|other| !other.stderr && stderr.is_some_and(|stream| stream.name == other.name))
            .map_or(number, |main| main.number)
    }

    /// All streams of the process with this main stream.
    pub fn of_process(&self, main: StreamNo) -> Vec<StreamNo> {
        let numbers = self.all().iter().map(|stream| stream.number);
        std::iter::once(main)
            .chain(numbers.filter(|number| *number != main && self.main(*number) == main))
            .collect()
    }
}

/// The possible places of the list.
fn files_of(dirs: &Dirs) -> impl Iterator<Item = (SegmentDir, PathBuf)> + '_ {
    PLACES.into_iter().filter_map(|place| Some((place, dirs.get(place)?.join(FILE))))
}

/// Why the list can't be read: the path of its directory is not a directory, or the file itself is
/// unreadable.
fn unreadable(path: PathBuf, source: io::Error) -> StreamsError {
    let dir = path.parent().unwrap_or(&path).to_owned();
    // Report the part closest to the root: nothing below it can be examined.
    let mut other = dir.ancestors().filter(|part| part.metadata().is_ok_and(|p| !p.is_dir()));
    let why = match (Errno::from_raw(source.raw_os_error().unwrap_or(0)), other.next()) {
        (Errno::ENOTDIR, Some(file)) => format!("{} is not a directory", file.display()),
        (Errno::ENOTDIR | Errno::ELOOP | Errno::ENAMETOOLONG, _) => sys::why(&source),
        _ => return StreamsError::Io { path, source },
    };
    StreamsError::Place { dir, why }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests read what was written")]

    use super::{FILE, Streams};
    use crate::Dirs;
    use crate::model::{ProcName, StreamNo};

    #[test]
    fn numbers_stay_and_the_format_is_frozen() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(dir.path().join("new/journal"), None);
        let name = |text| ProcName::new(text).unwrap();
        let mut streams = Streams::open(&dirs).unwrap();
        assert_eq!(streams.number(&name("web"), 2).unwrap(), StreamNo(1));
        assert_eq!(streams.number(&name("web#2"), 3).unwrap(), StreamNo(2));
        assert_eq!(streams.number(&name("web"), 4).unwrap(), StreamNo(1));
        streams.save().unwrap();
        let golden = r#"{"version":1,"streams":[{"number":1,"name":"web","color":4},{"number":2,"name":"web#2","color":3}]}"#;
        assert_eq!(std::fs::read_to_string(dirs.journal.join(FILE)).unwrap(), golden);
        let mut again = Streams::open(&dirs).unwrap();
        assert_eq!(again, streams);
        assert_eq!(again.number(&name("db"), 5).unwrap(), StreamNo(3));
        assert_eq!(again.number_of_stderr(&name("web#2"), 6).unwrap(), StreamNo(4));
        assert_eq!(again.number_of_stderr(&name("web#2"), 6).unwrap(), StreamNo(4));
        assert_eq!(again.number(&name("web#2"), 6).unwrap(), StreamNo(2));
        assert_eq!(again.slug(StreamNo(4)).unwrap(), "web.2@err");
        assert_eq!(
            (again.main(StreamNo(4)), again.main(StreamNo(2)), again.of_process(StreamNo(2))),
            (StreamNo(2), StreamNo(2), vec![StreamNo(2), StreamNo(4)])
        );
        let stderr = r#"{"number":4,"name":"web#2","color":6,"stderr":true}"#;
        assert_eq!(serde_json::to_string(again.get(StreamNo(4)).unwrap()).unwrap(), stderr);
        assert_eq!(again.slug(StreamNo(2)).unwrap(), "web.2");
        assert_eq!(again.slug(StreamNo(0)).unwrap(), "@events");
        assert_eq!(again.slug(StreamNo(9)), None);
    }

    #[test]
    fn where_the_journal_cannot_be_written_the_spill_directory_serves() {
        let dir = tempfile::tempdir().unwrap();
        let blocked = dir.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let dirs = Dirs::new(blocked.join("journal"), Some(dir.path().join("spill")));
        let mut streams =
            Streams { dirs: dirs.clone(), content: super::Content { version: 1, streams: vec![] } };
        streams.number(&ProcName::new("web").unwrap(), 2).unwrap();
        streams.save().unwrap();
        assert!(dir.path().join("spill").join(FILE).exists());
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(dir.path(), None);
        for (text, word) in
            [("nonsense", "not a list"), (r#"{"version":9,"streams":[]}"#, "format 9")]
        {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            let error = Streams::open(&dirs).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains(FILE), "{error}");
        }
    }
}
