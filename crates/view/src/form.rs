//! Forms in which lines are shown.

use super::merged::Renderer;
use super::paint::Mode;
use crate::journal::search::entry::{Among, Names, entry_json};
use crate::journal::search::select::Chosen;
use crate::model::untrusted;

/// The form of the output.
#[derive(Debug)]
pub enum Form {
    /// As in the merged log, or only its lines without prefixes.
    Merged(Box<Renderer>),
    /// Byte for byte as it was printed.
    Raw,
    /// One JSON object per line.
    Json {
        /// The names of the streams.
        names: Names,
        /// Whether entries were left out since the last one.
        apart: bool,
    },
}

impl Form {
    /// Whether it shows the bytes of processes unchanged.
    pub(super) fn is_exact(&self) -> bool {
        match self {
            Self::Merged(renderer) => renderer.style.mode == Mode::Exact,
            Self::Raw => true,
            Self::Json { .. } => false,
        }
    }

    /// Append the text for this entry.
    pub fn show(&mut self, chosen: Chosen<'_>, out: &mut Vec<u8>) {
        let Chosen::Entry(entry, matches) = chosen else {
            match self {
                Self::Merged(renderer) => {
                    renderer.finish(out);
                    out.extend_from_slice(b"--\n");
                }
                Self::Raw => {}
                Self::Json { apart, .. } => *apart = true,
            }
            return;
        };
        match self {
            Self::Merged(renderer) => {
                renderer.render(&entry.record, entry.text, entry.lost, out);
            }
            Self::Raw if entry.is_line() => out.extend_from_slice(entry.text),
            Self::Raw => {}
            Self::Json { names, apart } => {
                let among = Among { context: !matches, apart: std::mem::take(apart) };
                let (_, json) = entry_json(names, &entry, among, None, None);
                out.extend_from_slice(untrusted::json(&json).as_bytes());
                out.push(b'\n');
            }
        }
    }

    /// Append what is still pending at the end.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Self::Merged(renderer) = self {
            renderer.finish(out);
        }
    }
}
