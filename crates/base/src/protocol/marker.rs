//! Markers: invisible messages of the shim in the output of a pane.
//!
//! A marker is an operating system command (OSC) with a private number. tmux passes it to `pipe-pane`
//! unchanged and in order, and does not display it:
//!
//! ```text
//! ESC ] 7717 ; tmo ; <nonce> ; <seq> ; <skip> ESC \
//! ```
//!
//! The nonce is that of the life, with the lower half changed by the key of the event, so that a
//! process that knows the nonce of its life cannot print the marker in advance ([`nonce`]). `seq` is
//! the sequence number of the event in the life file. `skip` is the number of bytes directly after
//! the marker that the shim wrote only for the screen (how the process ended, reset of terminal
//! modes); they are not output of the process.
//!
//! The entry in the life file is written *before* the marker, so a reader can check in the life file
//! whether a marker is the expected one. If it is not (for example when a process prints its own old
//! log), it is ordinary text.

/// The start of every marker.
pub const INTRO: &[u8] = b"\x1b]7717;tmo;";
/// The end of every marker (ST).
pub const FINISH: &[u8] = b"\x1b\\";
/// The greatest length of a marker, including start and end.
pub const LONGEST_MARKER: usize = 96;
/// The greatest number of bytes after a marker that may belong to it.
pub const LONGEST_SKIP: u32 = 4096;

/// The nonce in the marker of an event with this key, in a life with this nonce.
pub const fn nonce(life: u64, key: u32) -> u64 {
    life ^ key as u64
}

/// Whether both nonces belong to markers of the same life.
pub const fn of_one_life(one: u64, other: u64) -> bool {
    one >> 32 == other >> 32
}

/// The contents of a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The nonce of the life and the event.
    pub nonce: u64,
    /// Sequence number of the event in the life file.
    pub seq: u64,
    /// Number of bytes after the marker that belong to it.
    pub skip: u32,
}

/// The result of looking for a marker at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkerStart {
    /// A whole marker of this length (without the skipped bytes).
    Whole(Marker, usize),
    /// These bytes may become a marker when more arrive.
    Partly,
    /// Not a marker, whatever follows.
    No,
}

impl Marker {
    /// The marker's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let body = format!("{:016x};{};{}", self.nonce, self.seq, self.skip);
        [INTRO, body.as_bytes(), FINISH].concat()
    }

    /// Look for a marker at the very start of `bytes`.
    pub fn parse_start(bytes: &[u8]) -> MarkerStart {
        let common = bytes.len().min(INTRO.len());
        if bytes[..common] != INTRO[..common] {
            return MarkerStart::No;
        }
        if bytes.len() < INTRO.len() {
            return MarkerStart::Partly;
        }
        let body = &bytes[INTRO.len()..bytes.len().min(LONGEST_MARKER)];
        let end = memchr::memchr(FINISH[0], body);
        // Reject an invalid byte at once, exactly as if the bytes had come one by one.
        if !body[..end.unwrap_or(body.len())].iter().all(|b| b.is_ascii_hexdigit() || *b == b';') {
            return MarkerStart::No;
        }
        let Some((end, last)) = end.and_then(|end| Some((end, body.get(end + 1)?))) else {
            return if bytes.len() < LONGEST_MARKER {
                MarkerStart::Partly
            } else {
                MarkerStart::No
            };
        };
        if *last != FINISH[1] {
            return MarkerStart::No;
        }
        match Self::parse(&body[..end]) {
            Some(marker) => MarkerStart::Whole(marker, INTRO.len() + end + FINISH.len()),
            None => MarkerStart::No,
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

/// The length of the longest suffix of `bytes` that could be the start of a marker.
///
/// A reader that scans a stream in chunks holds this many bytes back until more arrive.
pub fn held_back(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(LONGEST_MARKER);
    memchr::memchr_iter(INTRO[0], &bytes[from..])
        .map(|at| from + at)
        .find(|&at| Marker::parse_start(&bytes[at..]) == MarkerStart::Partly)
        .map_or(0, |at| bytes.len() - at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST_MARKER, Marker, MarkerStart, held_back};

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
            assert_eq!(Marker::parse_start(text), MarkerStart::No, "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn every_marker_is_found_and_every_prefix_is_held(
            nonce: u64, seq: u64, skip: u32, cut in 0usize..LONGEST_MARKER
        ) {
            let marker = Marker { nonce, seq, skip };
            let bytes = marker.encode();
            prop_assert!(bytes.len() <= LONGEST_MARKER);
            prop_assert_eq!(Marker::parse_start(&bytes), MarkerStart::Whole(marker, bytes.len()));
            let cut = cut.min(bytes.len() - 1);
            let mut text = b"some text\r\n".to_vec();
            text.extend_from_slice(&bytes[..cut]);
            prop_assert_eq!(held_back(&text), cut);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Marker::parse_start(&bytes);
            prop_assert!(held_back(&bytes) <= bytes.len().min(LONGEST_MARKER));
        }
    }
}
