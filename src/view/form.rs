//! Forms in which lines are shown.

use super::merged::{Chunk, Renderer};
use crate::journal::search::entry::{Names, entry_json};
use crate::journal::search::select::Chosen;
use crate::model::untrusted;

/// One of them.
#[derive(Debug)]
pub enum Form {
    /// As in the merged log, or its lines alone.
    Merged(Box<Renderer>),
    /// Byte for byte as it was printed.
    Raw,
    /// One JSON object a line.
    Json(Names),
}

impl Form {
    /// Append what shows this.
    pub fn show(&mut self, chosen: Chosen<'_>, out: &mut Vec<u8>) {
        let Chosen::Entry(entry, matches) = chosen else {
            if let Self::Merged(renderer) = self {
                renderer.finish(out);
                out.extend_from_slice(b"--\n");
            }
            return;
        };
        match self {
            Self::Merged(renderer) => {
                renderer.render(Chunk::whole(&entry.record, entry.text, entry.lost), out);
            }
            Self::Raw if entry.is_line() => out.extend_from_slice(entry.text),
            Self::Raw => {}
            Self::Json(names) => {
                let (_, json) = entry_json(names, &entry, matches, None);
                out.extend_from_slice(untrusted::json(&json).as_bytes());
                out.push(b'\n');
            }
        }
    }

    /// Append what is left when nothing more comes.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Self::Merged(renderer) = self {
            renderer.finish(out);
        }
    }
}
