//! The life file: what happened to a pane's process, in order, written by the shim.
//!
//! Append-only JSON lines, mode 0600, one per event, numbered from 1 without gaps for as long as
//! the run lasts, over all shims of the pane. A line is written by one `write` call, before the
//! marker of the same number goes to the terminal. A last line without its newline is torn (the
//! shim was killed while writing it, or the disk was full); who goes on spoils it, should it lack
//! nothing else, and ends it, and it is skipped.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::Exit;
use crate::sys::files;

/// One line of a life file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Sequence number, from 1.
    pub seq: u64,
    /// When, nanoseconds since the Unix epoch.
    pub at: u64,
    /// Of a marked event: what distinguishes its marker from all that could be printed before it
    /// was written down here. 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub key: u32,
    /// What.
    #[serde(flatten)]
    pub event: LifeEvent,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(key: &u32) -> bool {
    *key == 0
}

/// A process among the descendants of a shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Process id.
    pub pid: u32,
    /// Short name of the executable.
    pub name: String,
    /// State letter of the kernel (`S`, `D`, `Z` …).
    pub state: char,
}

/// What can happen to a pane's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum LifeEvent {
    /// A shim is there, its signal handlers are installed: the doorbell may be rung.
    Up {
        /// The shim's process id.
        pid: u32,
        /// Its start time in the kernel's own unit, to know it again.
        start_time: u64,
        /// The tmux pane (`%3`).
        pane: String,
        /// The terminal device.
        tty: String,
        /// Version of the program.
        version: String,
    },
    /// A life began: the child has been forked. Marked.
    Start {
        /// Number of the life.
        life: u64,
        /// The main child, also its process group.
        pid: u32,
        /// Its start time.
        start_time: u64,
        /// Nonce of this life's markers, 16 hex digits.
        nonce: String,
    },
    /// The terminal is gone: somebody closed the window, or tmux died. The tree is being ended.
    Hangup {},
    /// The stop signal was sent.
    Stopping {
        /// Number of the life.
        life: u64,
        /// Which signal.
        signal: i32,
    },
    /// The grace period is over: SIGKILL to whatever is left.
    Killing {
        /// Number of the life.
        life: u64,
    },
    /// The main child ended. Marked: everything it printed comes before the marker.
    Exit {
        /// Number of the life.
        life: u64,
        /// How.
        exit: Exit,
        /// Why it never became the command, where `execve` failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// CPU time spent in user mode by it and its waited-for children, microseconds.
        user_us: u64,
        /// The same in the kernel.
        system_us: u64,
        /// Largest resident set, KiB.
        max_rss_kib: u64,
    },
    /// It ended by itself and left these behind; they are being ended.
    Leftovers {
        /// Number of the life.
        life: u64,
        /// Who.
        members: Vec<Member>,
    },
    /// Nothing is left of this life but what is spared. Marked.
    End {
        /// Number of the life.
        life: u64,
        /// Left alone on purpose (a tmux server, ssh-agent …).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        spared: Vec<Member>,
    },
    /// SIGKILL did not empty the tree in time.
    Stuck {
        /// Number of the life.
        life: u64,
        /// What is still there.
        members: Vec<Member>,
    },
    /// The marker of this event could not be written: nobody need wait for it.
    Unmarked {
        /// Sequence number of that event.
        of: u64,
    },
    /// The shim goes; nothing follows from it.
    Down {},
    /// Told to stop before it had begun this life: it will not begin it any more.
    Skipped {
        /// Number of the life.
        life: u64,
    },
    /// The shim could not do what the spec says.
    Trouble {
        /// What and why.
        message: String,
    },
}

impl LifeEvent {
    /// Whether a marker with this event's number follows in the output.
    pub const fn marked(&self) -> bool {
        matches!(self, Self::Start { .. } | Self::Exit { .. } | Self::End { .. })
    }
}

/// How much of a life file is read at once.
const CHUNK: usize = 16 << 10;
/// No line of a shim comes near that.
const LONGEST_LINE: usize = 1 << 20;

/// Appends to a life file.
#[derive(Debug)]
pub struct LifeWriter {
    file: File,
    seq: u64,
    /// How long the file is at least.
    len: u64,
}

impl LifeWriter {
    /// Open a life file to append, continuing its numbers; a torn last line is closed first.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = files::append_to(path)?;
        let seq = LifeReader::new(path).poll()?.iter().map(|entry| entry.seq).max().unwrap_or(0);
        let len = file.metadata()?.len();
        let mut last = [b'\n'];
        if len > 0 && file.read_at(&mut last, len - 1)? > 0 && last != *b"\n" {
            file.write_all(b"#\n")?;
        }
        Ok(Self { file, seq, len })
    }

    /// Whether somebody has removed or emptied the file: who reads it from its beginning would
    /// not know whose it is.
    pub fn is_spoiled(&self) -> bool {
        self.file.metadata().is_ok_and(|meta| meta.nlink() == 0 || meta.len() < self.len)
    }

    /// The number of the last entry.
    pub const fn last(&self) -> u64 {
        self.seq
    }

    /// Give no number up to this one again.
    pub fn go_on_after(&mut self, seq: u64) {
        self.seq = self.seq.max(seq);
    }

    /// Append one event; returns its number.
    pub fn append(&mut self, at: u64, event: LifeEvent) -> std::io::Result<u64> {
        self.append_with(0, at, event)
    }

    /// The same with a key for its marker.
    pub fn append_with(&mut self, key: u32, at: u64, event: LifeEvent) -> std::io::Result<u64> {
        let seq = self.seq.saturating_add(1);
        let entry = Entry { seq, at, key, event };
        let mut line = serde_json::to_vec(&entry).map_err(std::io::Error::other)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.len += line.len() as u64;
        self.seq = seq;
        Ok(seq)
    }
}

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
                // Nothing of a shim's, and there may be any amount of it.
                self.lines = Lines { read: file.metadata()?.len(), rest: vec![] };
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
        self.rest.extend_from_slice(text);
        let Some(end) = memchr::memrchr(b'\n', &self.rest) else { return vec![] };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        whole.split(|&b| b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Entry, LifeEvent, LifeReader, LifeWriter, Lines};
    use crate::model::Exit;

    #[test]
    fn the_format_is_frozen() {
        let golden = [
            r#"{"seq":1,"at":5,"event":"up","pid":7,"start_time":99,"pane":"%3","tty":"/dev/pts/1","version":"0.1.0"}"#,
            r#"{"seq":2,"at":5,"event":"start","life":1,"pid":8,"start_time":100,"nonce":"00000000deadbeef"}"#,
            r#"{"seq":3,"at":5,"event":"exit","life":1,"exit":{"code":3},"user_us":1,"system_us":2,"max_rss_kib":3}"#,
            r#"{"seq":4,"at":5,"event":"leftovers","life":1,"members":[{"pid":9,"name":"sleep","state":"S"}]}"#,
            r#"{"seq":5,"at":5,"event":"end","life":1}"#,
            r#"{"seq":6,"at":5,"event":"unmarked","of":5}"#,
            r#"{"seq":7,"at":5,"event":"down"}"#,
        ];
        for line in golden {
            let entry: Entry = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&entry).unwrap(), line);
        }
    }

    #[test]
    fn a_file_that_was_emptied_is_read_from_its_new_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.life");
        let mut writer = LifeWriter::open(&path).unwrap();
        let mut reader = LifeReader::new(&path);
        for _ in 0..9 {
            writer.append(1, LifeEvent::Down {}).unwrap();
        }
        assert_eq!(reader.poll().unwrap().len(), 9);
        assert!(!writer.is_spoiled());
        std::fs::File::create(&path).unwrap();
        assert!(writer.is_spoiled());
        writer.append(1, LifeEvent::Hangup {}).unwrap();
        let found: Vec<u64> = reader.poll().unwrap().iter().map(|entry| entry.seq).collect();
        assert_eq!(found, [10]);
    }

    #[test]
    fn what_somebody_blew_up_is_not_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.life");
        let mut writer = LifeWriter::open(&path).unwrap();
        writer.append(1, LifeEvent::Down {}).unwrap();
        let mut reader = LifeReader::new(&path);
        std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(reader.poll().unwrap().len(), 1);
        let mut writer = LifeWriter::open(&path).unwrap();
        assert_eq!(writer.append(1, LifeEvent::Down {}).unwrap(), 2);
        assert_eq!(reader.poll().unwrap().len(), 1);
    }

    #[test]
    fn a_line_that_lacks_only_its_end_never_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.life");
        let mut writer = LifeWriter::open(&path).unwrap();
        for at in 1..=2 {
            writer.append(at, LifeEvent::Hangup {}).unwrap();
        }
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 1]).unwrap();
        let mut writer = LifeWriter::open(&path).unwrap();
        assert_eq!(writer.append(3, LifeEvent::Down {}).unwrap(), 2);
        let found = LifeReader::new(&path).poll().unwrap();
        let found: Vec<_> = found.into_iter().map(|entry| (entry.seq, entry.event)).collect();
        assert_eq!(found, [(1, LifeEvent::Hangup {}), (2, LifeEvent::Down {})]);
    }

    #[test]
    fn no_number_is_given_twice_whatever_the_file_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.life");
        let line = |seq: u64| format!("{{\"seq\":{seq},\"at\":0,\"event\":\"down\"}}\n");
        std::fs::write(&path, line(9) + &line(2)).unwrap();
        assert_eq!(LifeWriter::open(&path).unwrap().append(1, LifeEvent::Down {}).unwrap(), 10);
        std::fs::write(&path, line(u64::MAX)).unwrap();
        let mut writer = LifeWriter::open(&path).unwrap();
        assert_eq!(writer.append(1, LifeEvent::Down {}).unwrap(), u64::MAX);
    }

    #[test]
    fn a_torn_line_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.life");
        let mut reader = LifeReader::new(&path);
        assert!(reader.poll().unwrap().is_empty(), "no file yet");
        let mut writer = LifeWriter::open(&path).unwrap();
        writer.append(1, LifeEvent::Down {}).unwrap();
        drop(writer);
        std::fs::write(&path, [&std::fs::read(&path).unwrap()[..], b"{\"seq\":2,\"at"].concat())
            .unwrap();
        assert_eq!(reader.poll().unwrap().len(), 1);
        let mut writer = LifeWriter::open(&path).unwrap();
        let exit = Exit::Signal(9);
        let event = LifeEvent::Exit {
            life: 1,
            exit,
            error: None,
            user_us: 0,
            system_us: 0,
            max_rss_kib: 0,
        };
        assert_eq!(writer.append(2, event.clone()).unwrap(), 2);
        assert_eq!(reader.poll().unwrap(), [Entry { seq: 2, at: 2, key: 0, event }]);
        assert!(reader.poll().unwrap().is_empty());
    }

    /// A line of a life file, perhaps damaged, and the entry that it is.
    fn line() -> impl Strategy<Value = (Vec<u8>, Option<Entry>)> {
        let event = prop_oneof![
            any::<u64>().prop_map(|life| LifeEvent::Killing { life }),
            any::<String>().prop_map(|message| LifeEvent::Trouble { message }),
            any::<u64>().prop_map(|of| LifeEvent::Unmarked { of }),
            (any::<u64>(), any::<u32>(), "[0-9a-f]{16}").prop_map(|(life, pid, nonce)| {
                LifeEvent::Start { life, pid, start_time: 1, nonce }
            }),
        ];
        let entry = (any::<u64>(), any::<u64>(), event);
        let whole = entry.prop_map(|(seq, at, event)| {
            let entry = Entry { seq, at, key: 0, event };
            (serde_json::to_vec(&entry).unwrap(), Some(entry))
        });
        let damaged = whole.clone().prop_flat_map(|(line, _)| {
            (0..line.len()).prop_map(move |cut| (line[..cut].to_vec(), None))
        });
        prop_oneof![3 => whole, 1 => damaged]
    }

    proptest! {
        #[test]
        fn cuts_change_nothing_and_damage_costs_its_own_line(
            lines in prop::collection::vec(line(), 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let text: Vec<u8> = lines.iter().flat_map(|(line, _)| [line, &b"\n"[..]].concat()).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut reader = Lines::default();
            let found = cuts.windows(2).flat_map(|pair| reader.feed(&text[pair[0]..pair[1]]));
            let expected: Vec<Entry> = lines.iter().filter_map(|(_, entry)| entry.clone()).collect();
            prop_assert_eq!(found.collect::<Vec<_>>(), expected);
        }
    }
}
