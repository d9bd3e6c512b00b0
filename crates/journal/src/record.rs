//! One record of the merged index: fixed size, with a checksum, never changed after it is written.

use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, StreamNo};

/// Number of the stream for the supervisor's own events (JSON lines).
pub const EVENTS: StreamNo = StreamNo(0);

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Output: whole lines, unless the flags say otherwise.
    Text = 1,
    /// A life began; `value` is its pid. The bytes are the marker's (none if it never arrived).
    Start = 2,
    /// The main process ended; `value` is the packed [`Exit`]. The bytes are the marker's.
    Exit = 3,
    /// A life has ended and nothing of its process tree is left. The bytes are the marker's.
    End = 4,
    /// Output is missing here: `len` bytes, or an unknown number if that is 0.
    Gap = 5,
    /// An event: one JSON line in the stream [`EVENTS`].
    Event = 6,
}

/// The last line of the record has no newline and never will, because a marker or a gap follows.
pub const UNFINISHED: u8 = 1;
/// The record's first bytes continue a line that began in the previous record of this stream.
pub const CONTINUES: u8 = 2;
/// A line over 1 MiB: its end comes in later records of this stream (with [`CONTINUES`]).
pub const TO_BE_CONTINUED: u8 = 4;

/// A part of what a program has drawn in the alternate screen of its terminal; one with [`CONTINUES`] is not the
/// first part, and one without [`TO_BE_CONTINUED`] ends with the return to the other screen.
pub const DRAWN: u8 = 8;

/// One record of the merged index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Nanoseconds since the Unix epoch; never less than that of the record before.
    pub time: Timestamp,
    /// First byte in the stream.
    pub offset: u64,
    /// Number of bytes.
    pub len: u32,
    /// Number of lines that end in them.
    pub lines: u32,
    /// The life, if it belongs to one.
    pub life: Option<LifeId>,
    /// Sequence number in the life file for `Start`, `Exit`, `End`; else 0.
    pub seq: u32,
    /// The value for this kind of record: a pid, or a packed exit.
    pub value: u32,
    pub stream: StreamNo,
    /// The kind of record.
    pub kind: Kind,
    /// [`UNFINISHED`], [`CONTINUES`], [`TO_BE_CONTINUED`], [`DRAWN`].
    pub flags: u8,
}

impl Record {
    /// Size on disk.
    pub const SIZE: usize = 48;

    /// A record without bytes or further values.
    pub const fn empty(kind: Kind, stream: StreamNo, time: Timestamp) -> Self {
        let (offset, len, lines) = (0, 0, 0);
        let (life, seq, value) = (None, 0, 0);
        Self { time, offset, len, lines, life, seq, value, stream, kind, flags: 0 }
    }

    /// The offset after the record's last byte.
    pub const fn end(&self) -> u64 {
        self.offset.saturating_add(self.len as u64)
    }

    /// How the process ended, for a record of kind [`Kind::Exit`].
    pub fn exit(&self) -> Option<Exit> {
        (self.kind == Kind::Exit).then(|| Exit::unpack(self.value))
    }
}
