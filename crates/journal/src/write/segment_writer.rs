//! Decides where the next byte or record is written.
//!
//! A writer never stops because it can't write. Output that the disk refuses continues, at the same
//! addresses, in segments in the spill directory, of which the newest [`SPILL_SEGMENTS`] are kept.
//! Output that both refuse is lost and appears as missing addresses. The disk is tried again at
//! each new spill segment, and after [`RETRY`].

use std::fs::{self, File};
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::time::Timestamp;
use crate::segment::{Dirs, Segment, SegmentDir};

/// The maximum number of spill segments.
pub const SPILL_SEGMENTS: usize = 2;
/// How long to wait before a disk that refused output is tried again.
pub const RETRY: Duration = Duration::from_secs(2);

/// Opens the files of a new segment.
pub(crate) type Make<'a, F> = &'a dyn Fn(&SegmentWriter<F>, Segment) -> io::Result<F>;

/// The segments of one writer. `F` holds the open files of one segment.
#[derive(Debug)]
pub(crate) struct SegmentWriter<F> {
    pub(crate) dirs: Dirs,
    pub(crate) slug: String,
    /// Endings of a segment's files.
    endings: &'static [&'static str],
    /// Size at which the next segment begins, on the disk and in the spill directory.
    limits: (u64, u64),
    open: Option<(Segment, F)>,
    /// Path of the first file of a segment, cached because it is checked at each write.
    path: Option<Box<(Segment, PathBuf)>>,
    /// The spill segment to continue with if the disk refuses again.
    parked: Option<(Segment, F)>,
    /// The start addresses of the spill segments, oldest first.
    spilled: Vec<u64>,
    refused: Option<Timestamp>,
}

impl<F> SegmentWriter<F> {
    pub(crate) fn new(
        dirs: &Dirs,
        slug: &str,
        endings: &'static [&'static str],
        limits: (u64, u64),
    ) -> Self {
        Self {
            dirs: dirs.clone(),
            slug: slug.to_owned(),
            endings,
            limits: (limits.0.max(1), limits.1.max(1)),
            open: None,
            path: None,
            parked: None,
            spilled: vec![],
            refused: None,
        }
    }

    /// Take over what an earlier writer left: its spill segments, and one segment to continue.
    pub(crate) fn adopt(&mut self, segments: &[Segment], open: Option<(Segment, F)>) {
        let spilled = segments.iter().filter(|segment| segment.place == SegmentDir::Spill);
        self.spilled = spilled.map(|segment| segment.start).collect();
        self.open = open;
    }

    pub(crate) fn open(&mut self) -> Option<&mut (Segment, F)> {
        self.open.as_mut()
    }

    /// Leave the open segment if this file was removed, moved away or replaced, or if its length is
    /// impossible for a segment at that address: a reader would not find new output at its address.
    /// Returns the length if the segment stays.
    pub(crate) fn leave_spoiled(
        &mut self,
        file: impl Fn(&F) -> &File,
        sound: impl Fn(Segment) -> RangeInclusive<u64>,
    ) -> Option<(Segment, u64)> {
        let (segment, files) = self.open.as_ref()?;
        let (segment, meta) = (*segment, file(files).metadata().ok()?);
        if self.path.as_ref().is_none_or(|named| named.0 != segment) {
            let path = segment.path(&self.dirs, &self.slug, self.endings.first()?)?;
            self.path = Some(Box::new((segment, path)));
        }
        let named = fs::symlink_metadata(&self.path.as_ref()?.1).ok();
        let is_there = named.is_some_and(|n| (n.dev(), n.ino()) == (meta.dev(), meta.ino()));
        if !is_there || !sound(segment).contains(&meta.len()) {
            self.open = None;
        }
        self.open.as_ref().map(|_| (segment, meta.len()))
    }

    /// Whether the disk refuses output at present.
    pub(crate) fn spilling(&self) -> bool {
        self.refused.is_some()
            && self.open.as_ref().is_none_or(|(segment, _)| segment.place == SegmentDir::Spill)
    }

    /// How much more fits into the open segment.
    pub(crate) fn room(&self, end: u64) -> u64 {
        self.open
            .as_ref()
            .map_or(0, |(segment, _)| self.limit(segment.place).saturating_sub(end - segment.start))
    }

    const fn limit(&self, place: SegmentDir) -> u64 {
        match place {
            SegmentDir::Journal => self.limits.0,
            SegmentDir::Spill => self.limits.1,
        }
    }

    /// Make sure that the open segment is the right one for output at `end`. It is `None`
    /// afterwards if both directories refuse.
    pub(crate) fn choose(&mut self, end: u64, now: Timestamp, make: Make<'_, F>) {
        let rested = self.refused.is_none_or(|then| now.between(then) >= RETRY);
        let full = self.room(end) == 0;
        match self.open.as_ref().map(|(segment, _)| segment.place) {
            None if rested => self.next_on_disk(end, now, make),
            Some(SegmentDir::Journal) if full => self.next_on_disk(end, now, make),
            Some(SegmentDir::Spill) if rested || (full && self.refused != Some(now)) => {
                self.next_on_disk(end, now, make);
            }
            Some(SegmentDir::Spill) if full => self.next_spill(end, make),
            None | Some(SegmentDir::Journal | SegmentDir::Spill) => {}
        }
    }

    /// The open segment has accepted the write.
    pub(crate) fn accepted(&mut self) {
        if self.open.as_ref().is_some_and(|(segment, _)| segment.place == SegmentDir::Journal) {
            self.parked = None;
            self.refused = None;
        }
    }

    /// The open segment has refused a write: leave it.
    pub(crate) fn refuse(&mut self, end: u64, now: Timestamp, make: Make<'_, F>) {
        let Some((segment, files)) = self.open.take() else { return };
        drop(files);
        let empty = segment.start == end;
        if empty {
            self.remove(segment);
        }
        match segment.place {
            SegmentDir::Journal => {
                self.refused = Some(now);
                self.unpark(end, make);
            }
            SegmentDir::Spill => {
                if !empty {
                    self.next_spill(end, make);
                    return;
                }
                self.spilled.retain(|start| *start != segment.start);
                // Delete older output to make room for the newest, but never the only segment.
                if self.spilled.len() > 1 {
                    self.drop_oldest_spill();
                    self.next_spill(end, make);
                }
            }
        }
    }

    /// Continue in a new segment on the disk, even if it has refused recently.
    pub(crate) fn next_on_disk(&mut self, end: u64, now: Timestamp, make: Make<'_, F>) {
        let segment = Segment { start: end, place: SegmentDir::Journal };
        let fresh = make(self, segment);
        self.parked = self.open.take().filter(|(old, _)| old.place == SegmentDir::Spill);
        if let Ok(files) = fresh {
            self.open = Some((segment, files));
        } else {
            self.refused = Some(now);
            self.unpark(end, make);
        }
    }

    /// Continue in the spill segment that was left when the disk was tried again, or else in a new
    /// one.
    fn unpark(&mut self, end: u64, make: Make<'_, F>) {
        self.open = self.parked.take();
        if self.room(end) == 0 {
            self.next_spill(end, make);
        }
    }

    fn next_spill(&mut self, end: u64, make: Make<'_, F>) {
        self.open = None;
        while self.spilled.len() >= SPILL_SEGMENTS {
            self.drop_oldest_spill();
        }
        let segment = Segment { start: end, place: SegmentDir::Spill };
        if let Ok(files) = make(self, segment) {
            self.open = Some((segment, files));
            self.spilled.push(end);
        }
    }

    fn drop_oldest_spill(&mut self) {
        let start = self.spilled.remove(0);
        self.remove(Segment { start, place: SegmentDir::Spill });
    }

    fn remove(&self, segment: Segment) {
        for ending in self.endings {
            if let Some(path) = segment.path(&self.dirs, &self.slug, ending) {
                // If it can't be removed, an empty or old file remains, which does no harm.
                let _ = fs::remove_file(path);
            }
        }
    }
}
