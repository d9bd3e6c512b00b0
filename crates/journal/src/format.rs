//! The binary format of the index.
//!
//! A segment consists of a header, one summary for each stream that has records before the segment,
//! and records up to the end of the file. Each of these is a block of 48 bytes, little-endian,
//! whose last four bytes are a checksum over the rest. The summaries contain the state of every
//! stream, so a writer that continues the index, or a reader that finds a part deleted, need not
//! read earlier segments.

use super::record::{Kind, Record};
use super::segment::FARTHEST;
use crate::model::ids::or_zero;
use crate::model::time::Timestamp;
use crate::model::{LifeId, StreamNo};

/// Version of the format.
pub const VERSION: u32 = 1;
pub const BLOCK: usize = Record::SIZE;
/// The first bytes of a segment.
const MAGIC: &[u8; 8] = b"tmoindex";
/// Distinguishes a record from zeros and from text.
const RECORD_MARK: u32 = 0x0172_6d74;
/// Distinguishes a summary.
const SUMMARY_MARK: u32 = 0x0173_6d74;

/// A block of 48 bytes.
pub type Block = [u8; BLOCK];

/// The beginning of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Number of the first record.
    pub first: u64,
    /// Time of the record before it.
    pub time: Timestamp,
    /// How many summaries follow.
    pub streams: u32,
}

/// The state of one stream at some place in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    pub stream: StreamNo,
    /// Flags of its last record.
    pub flags: u8,
    /// Its present life.
    pub life: Option<LifeId>,
    /// The offset up to which its bytes have records.
    pub end: u64,
    /// How many bytes of text and events its records stand for.
    pub text: u64,
    /// Its last marker.
    pub marker: Option<Marked>,
}

/// A marker that has a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    /// Which kind.
    pub kind: Kind,
    /// Its sequence number in the life file.
    pub seq: u32,
    /// The record's value.
    pub value: u32,
    /// The record's time.
    pub time: Timestamp,
}

impl Summary {
    /// Advance past one record of the stream.
    pub fn advance(&mut self, record: &Record) {
        self.stream = record.stream;
        self.flags = record.flags;
        self.end = self.end.max(record.end());
        match record.kind {
            Kind::Text | Kind::Event => self.text += u64::from(record.len),
            Kind::Start | Kind::Exit | Kind::End => {
                self.life = record.life;
                let Record { kind, seq, value, time, .. } = *record;
                self.marker = Some(Marked { kind, seq, value, time });
            }
            Kind::Gap => {}
        }
    }
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Text, Self::Start, Self::Exit, Self::End, Self::Gap, Self::Event]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// The bytes of a header.
pub fn encode_header(header: &Header) -> Block {
    let mut block = [0; BLOCK];
    block[..8].copy_from_slice(MAGIC);
    put(&mut block, 8, &VERSION.to_le_bytes());
    put(&mut block, 12, &header.streams.to_le_bytes());
    put(&mut block, 16, &header.first.to_le_bytes());
    put(&mut block, 24, &header.time.to_le_bytes());
    seal(block)
}

/// The inverse of [`encode_header`]; `None` for anything else.
///
/// # Errors
/// The version, if it is not [`VERSION`].
pub fn decode_header(block: &Block) -> Result<Option<Header>, u32> {
    if !sealed(block) || block[..8] != *MAGIC {
        return Ok(None);
    }
    match u32_at(block, 8) {
        VERSION => Ok(Some(Header {
            streams: u32_at(block, 12),
            first: u64_at(block, 16),
            time: Timestamp::from_nanos(u64_at(block, 24)),
        })
        .filter(|header| header.first <= FARTHEST)),
        other => Err(other),
    }
}

/// The bytes of a summary.
pub fn encode_summary(summary: &Summary) -> Block {
    let mut block = [0; BLOCK];
    put(&mut block, 0, &summary.stream.0.to_le_bytes());
    block[2] = summary.flags;
    put(&mut block, 4, &or_zero::number(summary.life).to_le_bytes());
    put(&mut block, 8, &summary.end.to_le_bytes());
    put(&mut block, 16, &summary.text.to_le_bytes());
    if let Some(marker) = &summary.marker {
        block[3] = marker.kind as u8;
        put(&mut block, 24, &marker.seq.to_le_bytes());
        put(&mut block, 28, &marker.value.to_le_bytes());
        put(&mut block, 32, &marker.time.to_le_bytes());
    }
    put(&mut block, 40, &SUMMARY_MARK.to_le_bytes());
    seal(block)
}

/// The inverse of [`encode_summary`]; `None` for anything else, and for values that are impossible
/// in a file.
pub fn decode_summary(block: &Block) -> Option<Summary> {
    if !sealed(block) || u32_at(block, 40) != SUMMARY_MARK {
        return None;
    }
    let marker = Kind::from_byte(block[3]).map(|kind| Marked {
        kind,
        seq: u32_at(block, 24),
        value: u32_at(block, 28),
        time: Timestamp::from_nanos(u64_at(block, 32)),
    });
    let summary = Summary {
        stream: StreamNo(u16_at(block, 0)),
        flags: block[2],
        life: LifeId::new(u32_at(block, 4)),
        end: u64_at(block, 8),
        text: u64_at(block, 16),
        marker,
    };
    (summary.end <= FARTHEST && summary.text <= FARTHEST).then_some(summary)
}

/// The bytes of a record.
pub fn encode_record(record: &Record) -> Block {
    let mut block = [0; BLOCK];
    put(&mut block, 0, &record.time.to_le_bytes());
    put(&mut block, 8, &record.offset.to_le_bytes());
    put(&mut block, 16, &record.len.to_le_bytes());
    put(&mut block, 20, &record.lines.to_le_bytes());
    put(&mut block, 24, &or_zero::number(record.life).to_le_bytes());
    put(&mut block, 28, &record.seq.to_le_bytes());
    put(&mut block, 32, &record.value.to_le_bytes());
    put(&mut block, 36, &record.stream.0.to_le_bytes());
    block[38] = record.kind as u8;
    block[39] = record.flags;
    put(&mut block, 40, &RECORD_MARK.to_le_bytes());
    seal(block)
}

/// The inverse of [`encode_record`]; `None` for anything else, and for values that are impossible
/// in a file.
pub fn decode_record(block: &Block) -> Option<Record> {
    if u32_at(block, 40) != RECORD_MARK || !sealed(block) {
        return None;
    }
    let record = Record {
        time: Timestamp::from_nanos(u64_at(block, 0)),
        offset: u64_at(block, 8),
        len: u32_at(block, 16),
        lines: u32_at(block, 20),
        life: LifeId::new(u32_at(block, 24)),
        seq: u32_at(block, 28),
        value: u32_at(block, 32),
        stream: StreamNo(u16_at(block, 36)),
        kind: Kind::from_byte(block[38])?,
        flags: block[39],
    };
    (record.end() <= FARTHEST).then_some(record)
}

fn put(block: &mut Block, at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Eight bytes of a block as an integer; 0 if the block is too short.
pub(super) fn u64_at(block: &[u8], at: usize) -> u64 {
    block[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn u32_at(block: &Block, at: usize) -> u32 {
    block[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u16_at(block: &Block, at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}

/// Write the checksum into the block.
pub(crate) fn seal(mut block: Block) -> Block {
    let sum = checksum(&block).to_le_bytes();
    put(&mut block, 44, &sum);
    block
}

fn sealed(block: &Block) -> bool {
    u32_at(block, 44) == checksum(block)
}

/// A checksum over the first 44 bytes, in which each word changes all bits of the following state.
/// It detects torn writes, zeros and flipped bits, but not deliberate changes.
fn checksum(block: &Block) -> u32 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash: u64 = 0x746d_6f20_696e_6478;
    for at in [0, 8, 16, 24, 32] {
        hash = (hash ^ u64_at(block, at)).wrapping_mul(PRIME);
        hash ^= hash >> 29;
    }
    hash = (hash ^ u64::from(u32_at(block, 40))).wrapping_mul(PRIME);
    let [a, b, c, d, ..] = (hash ^ (hash >> 32)).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
