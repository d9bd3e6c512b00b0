//! Names and lookup of the files of a stream.
//!
//! A stream is a sequence of segments, each named by the address of its first byte (or record).
//! They are in the journal's directory or, while the disk is full, in the spill directory. Segments
//! of a stream never overlap; if the next one begins later than the end of the one before, bytes
//! are missing.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::marker::PhantomData;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::plan::{LogPolicy, Plan};
use crate::model::time::Timestamp;
use crate::protocol::paths::spill_dir;
use crate::sys::files;

/// Digits of the address in a file name.
const DIGITS: usize = 20;
/// If a directory changed less than this ago, another change may leave its time stamp the same.
const UNSETTLED: Duration = Duration::from_millis(20);

/// No stream ever gets this long: a file with a higher address is not ours.
const LAST: u64 = 1 << 60;
/// No file is longer than this, so no byte has a higher address.
pub const FARTHEST: u64 = i64::MAX as u64;

/// How many bytes of a segment file count as output. A sink begins the next segment long before.
pub const LONGEST_SEGMENT: u64 = 2 * LogPolicy::LARGEST_SEGMENT;

/// Ending of the files that hold the bytes.
pub const LOG: &str = ".log";
/// Ending of the files that hold the times.
pub const TIMES: &str = ".times";

/// The directories of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// The main directory.
    pub journal: PathBuf,
    /// Where the newest output goes while `journal` cannot take it (in the runtime directory).
    pub spill: Option<PathBuf>,
}

/// One of the two directories of a [`Dirs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SegmentDir {
    /// The journal's own directory.
    Journal,
    /// The small directory that replaces a full disk.
    Spill,
}

impl Dirs {
    /// The journal at this directory, with a spill directory if there is a run.
    pub fn new(journal: impl Into<PathBuf>, spill: Option<PathBuf>) -> Self {
        Self { journal: journal.into(), spill }
    }

    /// The journal of the run with this plan and this runtime directory.
    pub fn of_run(plan: &Plan, runtime: &Path) -> Self {
        Self::of_journal(plan.log.dir.as_path(), runtime)
    }

    /// The same for a run with this journal.
    pub fn of_journal(journal: &Path, runtime: &Path) -> Self {
        Self::new(journal, Some(spill_dir(runtime)))
    }

    /// The path of one of the directories.
    pub fn get(&self, place: SegmentDir) -> Option<&Path> {
        match place {
            SegmentDir::Journal => Some(&self.journal),
            SegmentDir::Spill => self.spill.as_deref(),
        }
    }

    /// Check that the journal is writable: write a few bytes to a file and remove it.
    pub fn try_writing(&self) -> io::Result<()> {
        files::try_writing(self.create(SegmentDir::Journal)?)
    }

    /// Create an empty segment at that address, so that the stream continues there.
    pub(crate) fn claim(&self, slug: &str, start: u64) -> io::Result<()> {
        files::append_to(&self.journal.join(file_name(slug, start, LOG))).map(drop)
    }

    /// Create one of the directories, readable by its owner only.
    pub(crate) fn create(&self, place: SegmentDir) -> io::Result<&Path> {
        let dir = self.get(place).ok_or(io::ErrorKind::NotFound)?;
        files::make_dirs(dir)?;
        Ok(dir)
    }
}

/// One file (pair) of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// The address of its first byte or record.
    pub start: u64,
    /// The directory that contains it.
    pub place: SegmentDir,
}

impl Segment {
    /// The address after its last byte, given the length of its file.
    pub fn end(self, len: u64) -> u64 {
        self.start.saturating_add(len.min(LONGEST_SEGMENT))
    }

    /// The path of one of its files.
    pub fn path(self, dirs: &Dirs, slug: &str, ending: &str) -> Option<PathBuf> {
        Some(dirs.get(self.place)?.join(file_name(slug, self.start, ending)))
    }

    /// Open one of its files; `None` if it is gone.
    pub(crate) fn open(self, dirs: &Dirs, slug: &str, ending: &str) -> io::Result<Option<File>> {
        let Some(path) = self.path(dirs, slug, ending) else { return Ok(None) };
        files::if_there(files::open_plain(&path))
    }

    /// The metadata of its log file, if that exists.
    pub(crate) fn metadata(self, dirs: &Dirs, slug: &str) -> Option<Metadata> {
        fs::metadata(self.path(dirs, slug, LOG)?).ok()
    }
}

/// The name of a file of a stream.
pub fn file_name(slug: &str, start: u64, ending: &str) -> String {
    format!("{slug}.{start:0DIGITS$}{ending}")
}

/// Split a file name into the name of the stream and the address.
pub fn parse_name<'a>(name: &'a str, ending: &str) -> Option<(&'a str, u64)> {
    let (slug, digits) = name.strip_suffix(ending)?.rsplit_once('.')?;
    let sound = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    let start = digits.parse().ok().filter(|start| sound && *start <= LAST)?;
    Some((slug, start))
}

/// The segments of one stream, in order, as of the last look.
#[derive(Debug)]
pub struct Listing {
    slug: String,
    ending: &'static str,
    segments: Vec<Segment>,
    stamps: Option<[Stamp; 2]>,
}

/// When a directory last changed; `None` if it does not exist.
type Stamp = Option<(i64, i64)>;

pub(super) const PLACES: [SegmentDir; 2] = [SegmentDir::Journal, SegmentDir::Spill];

impl Listing {
    /// The files of a stream with this ending; nothing is looked up yet.
    pub fn new(slug: &str, ending: &'static str) -> Self {
        Self { slug: slug.to_owned(), ending, segments: vec![], stamps: None }
    }

    /// The segments found, in ascending order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The name of the stream in file names.
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// Read the directories again if they have changed. Returns whether it did.
    pub fn refresh(&mut self, dirs: &Dirs) -> io::Result<bool> {
        if let Some(shared) = SharedLook::listing(dirs, &self.slug, self.ending)? {
            *self = shared;
            return Ok(true);
        }
        let stamps = stamps(dirs);
        if self.stamps == Some(stamps) {
            return Ok(false);
        }
        self.reload(dirs)?;
        self.stamps = settled(stamps).then_some(stamps);
        Ok(true)
    }

    /// Read the directories again.
    ///
    /// A directory that changes while it is being read may show a new file and hide a slightly
    /// older one. So if there is a hole between two segments, read it again: a file that is older
    /// than one already seen is certain to appear then.
    pub fn reload(&mut self, dirs: &Dirs) -> io::Result<()> {
        self.stamps = None;
        let own = Listings::read(dirs, self.ending, |slug| slug == self.slug)?;
        self.segments = own.of(&self.slug).segments;
        Ok(())
    }

    /// The segments that begin at or before this address, the closest first.
    pub fn holding(&self, address: u64) -> impl Iterator<Item = Segment> + '_ {
        let behind = self.segments.partition_point(|segment| segment.start <= address);
        self.segments[..behind].iter().rev().copied()
    }

    /// The segments that begin after this address.
    pub fn behind(&self, address: u64) -> &[Segment] {
        &self.segments[self.segments.partition_point(|segment| segment.start <= address)..]
    }
}

/// The listings of several streams, from one reading of the directories.
#[derive(Debug)]
pub(super) struct Listings {
    ending: &'static str,
    all: HashMap<String, Vec<Segment>>,
    stamps: Option<[Stamp; 2]>,
}

impl Listings {
    /// Read the directories. `wants` selects streams by their names in file names.
    pub(super) fn read(
        dirs: &Dirs,
        ending: &'static str,
        wants: impl Fn(&str) -> bool,
    ) -> io::Result<Self> {
        let stamps = stamps(dirs);
        let mut all = HashMap::<String, Vec<Segment>>::new();
        for place in PLACES {
            let Some(dir) = dirs.get(place) else { continue };
            collect(dir, |name| {
                if let Some((slug, start)) = parse_name(name, ending)
                    && wants(slug)
                {
                    all.entry(slug.to_owned()).or_default().push(Segment { start, place });
                }
            })?;
        }
        Ok(Self { ending, all, stamps: settled(stamps).then_some(stamps) })
    }

    pub(super) fn of(&self, slug: &str) -> Listing {
        let mut segments = self.all.get(slug).cloned().unwrap_or_default();
        segments.sort_unstable();
        Listing { slug: slug.to_owned(), ending: self.ending, segments, stamps: self.stamps }
    }
}

thread_local! {
    /// What was read for all streams since the [`SharedLook`] began, if there is one.
    static SHARED: RefCell<Option<Vec<(Dirs, Listings)>>> = const { RefCell::new(None) };
}

/// While this exists, one reading of the directories serves all streams.
///
/// Where many streams begin or end together, the directories change again and again, and each reader would read all
/// names to find its own. A reader may miss what is created after the first look. So this suits a reader that is
/// going to be woken for it.
#[derive(Debug)]
pub struct SharedLook(PhantomData<*const ()>);

impl SharedLook {
    /// Begin, on this thread.
    pub fn begin() -> Self {
        SHARED.set(Some(vec![]));
        Self(PhantomData)
    }

    /// Whatever exists now is seen: read the directories again.
    pub fn renew() {
        SHARED.with_borrow_mut(|shared| shared.iter_mut().for_each(Vec::clear));
    }

    fn listing(dirs: &Dirs, slug: &str, ending: &'static str) -> io::Result<Option<Listing>> {
        SHARED.with_borrow_mut(|shared| {
            let Some(shared) = shared else { return Ok(None) };
            let known = |(of, listings): &(Dirs, Listings)| of == dirs && listings.ending == ending;
            if let Some((_, listings)) = shared.iter().find(|one| known(one)) {
                return Ok(Some(listings.of(slug)));
            }
            let listings = Listings::read(dirs, ending, |_| true)?;
            let listing = listings.of(slug);
            shared.push((dirs.clone(), listings));
            Ok(Some(listing))
        })
    }
}

impl Drop for SharedLook {
    fn drop(&mut self) {
        SHARED.set(None);
    }
}

fn stamps(dirs: &Dirs) -> [Stamp; 2] {
    PLACES.map(|place| dirs.get(place).and_then(stamp))
}

fn stamp(dir: &Path) -> Stamp {
    let meta = fs::metadata(dir).ok()?;
    Some((meta.mtime(), meta.mtime_nsec()))
}

/// Whether another change would be visible in the time stamps.
fn settled(stamps: [Stamp; 2]) -> bool {
    let now = crate::sys::clock::now();
    let mut known = stamps.into_iter().flatten();
    known.all(|(seconds, nanos)| now.since(Timestamp::of_file(seconds, nanos)) > UNSETTLED)
}

/// Call `take` with each file name in a directory. A missing directory counts as empty.
pub(crate) fn collect(dir: &Path, mut take: impl FnMut(&str)) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        // Directories, links and pipes are not ours, whatever their names.
        let ours = entry.file_type().is_ok_and(|kind| kind.is_file());
        if let Some(name) = entry.file_name().to_str().filter(|_| ours) {
            take(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Dirs, LOG, Listing, Segment, SegmentDir, SharedLook, file_name, parse_name};

    #[test]
    fn names_are_frozen_and_lead_back() {
        let name = file_name("web.2", 4096, LOG);
        assert_eq!(name, "web.2.00000000000000004096.log");
        assert_eq!(parse_name(&name, LOG), Some(("web.2", 4096)));
        for other in [
            "web.log",
            "web.1.log",
            "web.00000000000000004096.times",
            "web.0000000000000000409x.log",
            "web.-0000000000000000409.log",
            "web.09223372036854775808.log",
            "web.18446744073709551615.log",
            "web.99999999999999999999.log",
        ] {
            assert_eq!(parse_name(other, LOG), None, "{other}");
        }
    }

    #[test]
    fn a_listing_takes_its_own_stream_only() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(dir.path().join("j"), Some(dir.path().join("s")));
        let mut listing = Listing::new("web", LOG);
        assert!(listing.refresh(&dirs).unwrap());
        assert!(listing.segments().is_empty());
        for place in [SegmentDir::Journal, SegmentDir::Spill] {
            dirs.create(place).unwrap();
        }
        for (sub, name) in [
            ("j", file_name("web", 0, LOG)),
            ("j", file_name("web", 9, LOG)),
            ("s", file_name("web", 9, LOG)),
            ("j", file_name("web.2", 5, LOG)),
            ("s", file_name("web", 20, LOG)),
        ] {
            std::fs::write(dir.path().join(sub).join(name), "").unwrap();
        }
        assert!(listing.refresh(&dirs).unwrap());
        let starts: Vec<u64> = listing.segments().iter().map(|s| s.start).collect();
        assert_eq!(starts, [0, 9, 9, 20]);
        let holding: Vec<Segment> = listing.holding(15).collect();
        assert_eq!(holding.iter().map(|s| s.start).collect::<Vec<_>>(), [9, 9, 0]);
        assert_eq!(listing.behind(9), [Segment { start: 20, place: SegmentDir::Spill }]);
    }

    #[test]
    fn what_is_created_during_a_shared_look_is_seen_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(dir.path(), None);
        let [mut web, mut worker] = ["web", "worker"].map(|slug| Listing::new(slug, LOG));
        let create = |slug| std::fs::write(dir.path().join(file_name(slug, 0, LOG)), "").unwrap();
        let count = |listing: &mut Listing| {
            listing.refresh(&dirs).unwrap();
            listing.segments().len()
        };
        create("web");
        let look = SharedLook::begin();
        assert_eq!(count(&mut web), 1);
        create("worker");
        assert_eq!(count(&mut worker), 0);
        SharedLook::renew();
        assert_eq!(count(&mut worker), 1);
        std::fs::write(dir.path().join(file_name("worker", 9, LOG)), "").unwrap();
        drop(look);
        assert_eq!(count(&mut worker), 2);
    }
}
