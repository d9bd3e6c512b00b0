//! Where the last run behind a control socket keeps its journal and its crash reports.
//!
//! The project's files may name other directories by now, or none. So each run records its
//! directories in the state directory, in a file named after the socket. Readers use only that
//! record.

use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::exit::End;
use crate::model::plan::Plan;
use crate::model::plan::rules::WatcherPatterns;
use crate::model::text::OsText;
use crate::model::time::Timestamp;
use crate::model::{ProcName, is_default};
use crate::protocol::spec::replace;
use crate::sys::{self, files};

/// The version of the format.
const VERSION: u32 = 1;
/// A longer file is not a valid record.
const LARGEST: u64 = 1 << 20;
/// Room for the end of the run.
const ROOM: usize = 2048;

/// The directories of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    version: u32,
    pub journal: OsText,
    /// The crash reports, if they are not beside the journal.
    pub crashes: Option<OsText>,
    /// The directory of the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<OsText>,
    /// Watchers of the project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watchers: Vec<WatcherPatterns>,
    /// What its start has left out, and no request has started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<ProcName>,
    /// The machine of the run, if others see this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<RunMachine>,
    /// How the run ended; `None` while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<RecordedEnd>,
}

/// A machine with which others share the record of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMachine {
    /// What tells it from the others ([`sys::machine`]).
    id: String,
    /// Its name, for display.
    pub name: String,
    /// When the run started.
    pub started: Timestamp,
}

/// The end of a run, recorded outside of the journal, whose disk may be full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedEnd {
    /// The id of the run.
    pub run: String,
    /// How it ended.
    pub end: End,
    /// How many bytes of output are lost because the journal could not be written at the end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost: u64,
}

impl LastRun {
    /// The directories of the run with this plan.
    pub fn of(plan: &Plan) -> Self {
        Self {
            version: VERSION,
            journal: plan.log.dir.clone(),
            crashes: plan.crash_dir.clone(),
            origin: plan.origin.as_ref().map(|origin| origin.dir.clone()),
            watchers: plan.watchers.clone(),
            left_out: plan.left_out.iter().map(|process| process.name.clone()).collect(),
            machine: RunMachine::of(plan),
            end: None,
        }
    }

    /// The name of the project.
    pub fn title(&self) -> String {
        let origin = self.origin.as_ref().and_then(|dir| dir.as_path().file_name());
        let journal = || self.journal.as_path().file_name();
        origin.or_else(journal).map_or_else(String::new, |name| name.display().to_string())
    }

    /// The other machine on which the run was started, and of which nothing here tells whether it goes on.
    pub fn elsewhere(&self) -> Option<&RunMachine> {
        self.machine.as_ref().filter(|machine| self.end.is_none() && machine.id != sys::machine())
    }

    /// Replace the record at this path, and create its directory if it is missing.
    pub fn record(&self, path: &Path) -> io::Result<()> {
        let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        files::make_dirs(dir)?;
        let mut text = serde_json::to_vec(self)?;
        text.resize(text.len() + ROOM, b' ');
        // The record of an earlier run must not stay because the disk is full.
        replace(path, &text).or_else(|error| self.overwrite(path).map_err(|_| error))
    }

    /// Add how the run ended to its record.
    pub fn record_end(self, path: &Path, end: RecordedEnd) -> io::Result<()> {
        let record = Self { end: Some(end.clone()), ..self };
        record.overwrite(path).or_else(|_| {
            // There may be many processes.
            let brief = End { finished: vec![], unstarted: vec![], failing: vec![], ..end.end };
            let end = Some(RecordedEnd { end: brief, ..end });
            Self { end, ..record }.overwrite(path)
        })
    }

    /// Write the record into the file at this path, within its length: a full disk has no room for more.
    fn overwrite(&self, path: &Path) -> io::Result<()> {
        let file = files::open_to_write(path)?;
        let mut text = serde_json::to_vec(self)?;
        let len = usize::try_from(file.metadata()?.len().min(LARGEST)).unwrap_or(0);
        if text.len() > len {
            return Err(io::ErrorKind::StorageFull.into());
        }
        text.resize(len, b' ');
        file.write_all_at(&text, 0)
    }

    /// Read the record at this path. It must be a regular file that belongs to this user and is not
    /// writable by others. `None` if there is no such record, or one of a later version.
    pub fn read(path: &Path) -> Option<Self> {
        let file = files::open_plain(path).ok()?;
        let meta = file.metadata().ok()?;
        if meta.uid() != nix::unistd::geteuid().as_raw() || meta.mode() & 0o022 != 0 {
            return None;
        }
        let mut text = vec![];
        file.take(LARGEST).read_to_end(&mut text).ok()?;
        let read: Self = serde_json::from_slice(&text).ok()?;
        let absolute = |dir: &OsText| dir.as_path().is_absolute();
        let sound = absolute(&read.journal) && read.crashes.as_ref().is_none_or(absolute);
        (read.version == VERSION && sound).then_some(read)
    }
}

impl RunMachine {
    fn of(plan: &Plan) -> Option<Self> {
        let is_shared = plan.last_run.as_ref().is_some_and(|path| sys::is_shared(path.as_path()));
        is_shared.then(|| Self {
            id: sys::machine().to_owned(),
            name: sys::host_name(),
            started: plan.started,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::Path;

    use super::{LARGEST, LastRun, ROOM, RecordedEnd, VERSION};
    use crate::model::exit::End;

    fn example() -> LastRun {
        LastRun {
            version: VERSION,
            journal: "/j".into(),
            crashes: Some("/c".into()),
            origin: Some("/p".into()),
            watchers: vec![],
            left_out: vec![],
            machine: None,
            end: None,
        }
    }

    #[test]
    fn a_record_is_private_and_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/record");
        for record in [example(), LastRun { crashes: None, origin: None, ..example() }] {
            record.record(&path).unwrap();
            assert_eq!(LastRun::read(&path), Some(record));
            assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        }
        let golden = r#"{"version":1,"journal":"/j","crashes":null}"#;
        assert_eq!(crate::sys::files::read_plain(&path).unwrap().trim_ascii(), golden.as_bytes());
    }

    #[test]
    fn the_end_needs_no_more_room_than_the_record_has() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        example().record(&path).unwrap();
        let len = path.metadata().unwrap().len();
        let name = crate::model::ProcName::new("a".repeat(60)).unwrap();
        for finished in [vec![], vec![name; ROOM / 60]] {
            let fits = finished.is_empty();
            let end = End { code: 3, finished, ..End::default() };
            let end = RecordedEnd { run: "r".into(), end, lost: 0 };
            example().record_end(&path, end.clone()).unwrap();
            assert_eq!(path.metadata().unwrap().len(), len);
            let read = LastRun::read(&path).unwrap().end.unwrap();
            assert_eq!((read.end.code, read == end), (3, fits));
        }
        example().record(&path).unwrap();
        assert_eq!(LastRun::read(&path), Some(example()));
    }

    #[test]
    fn links_pipes_shared_files_and_nonsense_are_not_records() {
        let dir = tempfile::tempdir().unwrap();
        let (real, path) = (dir.path().join("real"), dir.path().join("record"));
        example().record(&real).unwrap();
        let refused = |path: &Path| assert_eq!(LastRun::read(path), None);
        symlink(&real, &path).unwrap();
        refused(&path);
        std::fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        refused(&path);
        std::fs::remove_file(&path).unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o666)).unwrap();
        refused(&real);
        let large = " ".repeat(usize::try_from(LARGEST).unwrap()) + "{}";
        let wrong = ["", "{", r#"{"version":2,"journal":"/j"}"#, r#"{"version":1,"journal":"j"}"#];
        for text in wrong.into_iter().chain([&large[..]]) {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            refused(&path);
        }
    }
}
