//! Markers: invisible words of the shim in the output of a pane.
//!
//! A marker is an operating system command with a private number, which tmux passes to
//! `pipe-pane` raw and in order and does not show:
//!
//! ```text
//! ESC ] 7717 ; tmo ; <nonce> ; <seq> ; <skip> ESC \
//! ```
//!
//! The nonce is that of the life, its lower half changed by the key of the event so that nobody
//! who knew the one can print the other beforehand ([`nonce`]); the sequence number is that of the
//! event in the life file, and `skip` counts the bytes directly behind it that the shim wrote for the screen only (how the
//! process ended, terminal modes set back) and that are no output of the process.
//!
//! The life file is written *before* the marker, so who reads a marker can ask the life file
//! whether it is the next one. A marker that is not (a process that prints its own old log) is
//! ordinary text.

/// What every marker begins with.
pub const INTRO: &[u8] = b"\x1b]7717;tmo;";
/// What every marker ends with (ST).
pub const FINISH: &[u8] = b"\x1b\\";
/// No marker is longer than this, introduction and finish included.
pub const LONGEST: usize = 96;
/// The most bytes behind a marker that may belong to it.
pub const LONGEST_SKIP: u32 = 4096;

/// The nonce in the marker of an event with this key, in a life with this nonce.
pub const fn nonce(life: u64, key: u32) -> u64 {
    life ^ key as u64
}

/// Whether both are nonces of markers of one life.
pub const fn of_one_life(one: u64, other: u64) -> bool {
    one >> 32 == other >> 32
}

/// What a marker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The nonce of the life and the event.
    pub nonce: u64,
    /// Sequence number of the event in the life file.
    pub seq: u64,
    /// Bytes behind the marker that belong to it.
    pub skip: u32,
}

/// The result of looking for a marker at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A whole marker of this length (without the skipped bytes).
    Whole(Marker, usize),
    /// These bytes may become one when more arrive.
    Partly,
    /// No marker, whatever follows.
    No,
}

impl Marker {
    /// The marker's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = INTRO.to_vec();
        bytes.extend_from_slice(
            format!("{:016x};{};{}", self.nonce, self.seq, self.skip).as_bytes(),
        );
        bytes.extend_from_slice(FINISH);
        bytes
    }

    /// Look for a marker at the very start of `bytes`.
    pub fn look(bytes: &[u8]) -> Look {
        let common = bytes.len().min(INTRO.len());
        if bytes[..common] != INTRO[..common] {
            return Look::No;
        }
        if bytes.len() < INTRO.len() {
            return Look::Partly;
        }
        let body = &bytes[INTRO.len()..bytes.len().min(LONGEST)];
        let end = memchr::memchr(FINISH[0], body);
        // No byte is taken later that would not have been waited for.
        if !body[..end.unwrap_or(body.len())].iter().all(|b| b.is_ascii_hexdigit() || *b == b';') {
            return Look::No;
        }
        let Some((end, last)) = end.and_then(|end| Some((end, body.get(end + 1)?))) else {
            return if bytes.len() < LONGEST { Look::Partly } else { Look::No };
        };
        if *last != FINISH[1] {
            return Look::No;
        }
        match Self::parse(&body[..end]) {
            Some(marker) => Look::Whole(marker, INTRO.len() + end + FINISH.len()),
            None => Look::No,
        }
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let mut fields = std::str::from_utf8(body).ok()?.split(';');
        let nonce = fields.next().filter(|n| n.len() == 16)?;
        let marker = Self {
            nonce: u64::from_str_radix(nonce, 16).ok()?,
            seq: fields.next()?.parse().ok()?,
            skip: fields.next()?.parse().ok()?,
        };
        fields.next().is_none().then_some(marker)
    }
}

/// The length of the longest end of `bytes` that could be the start of a marker.
///
/// Who scans a stream in chunks holds that many bytes back until more arrive.
pub fn held_back(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(LONGEST);
    memchr::memchr_iter(INTRO[0], &bytes[from..])
        .map(|at| from + at)
        .find(|&at| Marker::look(&bytes[at..]) == Look::Partly)
        .map_or(0, |at| bytes.len() - at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST, Look, Marker, held_back};

    #[test]
    fn the_format_is_frozen() {
        let marker = Marker { nonce: 0xfeed, seq: 12, skip: 40 };
        assert_eq!(marker.encode(), b"\x1b]7717;tmo;000000000000feed;12;40\x1b\\");
    }

    #[test]
    fn what_is_no_marker_is_text() {
        for text in [
            &b"\x1b]7717;tmo;feed;1;0\x1b\\"[..],
            b"\x1b]7717;tmo;000000000000feed;1;0;9\x1b\\",
            b"\x1b]7717;tmo;000000000000feed;1;0\x07",
            b"\x1b]7717;tmo;000000000000feed;1;0\x1b[",
            b"\x1b]7717;tmo;000000000000feed;+1;0\x1b\\",
            b"\x1b]7717;tmo;+00000000000feed;1;0\x1b\\",
            b"\x1b]7717;tmo;K\x1b",
            b"\x1b]7717;tmo;hello",
            b"x\x1b]7717;tmo;000000000000feed;1;0\x1b\\",
            b"\x1b]0;title\x07",
        ] {
            assert_eq!(Marker::look(text), Look::No, "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn every_marker_is_found_and_every_prefix_is_held(nonce: u64, seq: u64, skip: u32, cut in 0usize..LONGEST) {
            let marker = Marker { nonce, seq, skip };
            let bytes = marker.encode();
            prop_assert!(bytes.len() <= LONGEST);
            prop_assert_eq!(Marker::look(&bytes), Look::Whole(marker, bytes.len()));
            let cut = cut.min(bytes.len() - 1);
            let mut text = b"some text\r\n".to_vec();
            text.extend_from_slice(&bytes[..cut]);
            prop_assert_eq!(held_back(&text), cut);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Marker::look(&bytes);
            prop_assert!(held_back(&bytes) <= bytes.len().min(LONGEST));
        }
    }
}
