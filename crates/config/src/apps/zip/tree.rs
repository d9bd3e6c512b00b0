//! Checks the paths in an archive.

use std::collections::HashMap;

use super::{ArchiveEntry, EntryError, ZipError, failed};
use crate::model::text::untrusted::reorders;

/// The longest name of a file or directory, in bytes.
pub(super) const LONGEST_NAME: usize = 255;
/// The most parts of a path.
pub(super) const DEEPEST: usize = 32;
/// The folder with metadata in archives made on macOS.
pub const MAC_METADATA: &str = "__MACOSX";
/// How macOS shows a folder; it may lie beside the only folder of an archive.
const MAC_FOLDER_VIEW: &str = ".DS_Store";

/// Split a path into its parts. Refuses paths that could lead out of the directory, or that name different files on
/// different systems.
pub(super) fn parts(name: &str) -> Result<Vec<String>, EntryError> {
    let is_drive = matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    let parts: Vec<&str> = name.strip_suffix('/').unwrap_or(name).split('/').collect();
    let refusals = [
        (name.contains(char::is_control), EntryError::Control),
        (name.contains(is_bidi_control), EntryError::Bidi),
        (name.contains('\\'), EntryError::Backslash),
        (name.starts_with('/'), EntryError::Absolute),
        (is_drive, EntryError::Drive),
        (parts.iter().any(|part| matches!(*part, "" | "." | "..")), EntryError::Parts),
        (parts.iter().any(|part| part.len() > LONGEST_NAME), EntryError::LongName),
        // One more is allowed, as a top folder may be removed.
        (parts.len() > DEEPEST + 1, EntryError::Deep),
    ];
    match refusals.into_iter().find(|(is_so, _)| *is_so) {
        Some((_, why)) => Err(why),
        None => Ok(parts.into_iter().map(str::to_owned).collect()),
    }
}

/// Whether this character changes the order in which others are shown, so that a name could look like another.
const fn is_bidi_control(c: char) -> bool {
    reorders(c) || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// Remove the metadata of macOS and, if all entries are in one folder, that folder from the paths.
pub(super) fn flattened(mut entries: Vec<ArchiveEntry>) -> Result<Vec<ArchiveEntry>, ZipError> {
    entries.retain(|entry| {
        entry.path.first().is_some_and(|first| first != MAC_METADATA && first != MAC_FOLDER_VIEW)
    });
    if entries.iter().all(|entry| entry.is_dir) {
        return Err(ZipError::Empty);
    }
    let first = |entry: &ArchiveEntry| entry.path.first().cloned();
    let top = entries.first().and_then(first);
    if entries.iter().all(|entry| first(entry) == top && (entry.is_dir || entry.path.len() > 1)) {
        for entry in &mut entries {
            entry.path.remove(0);
        }
    }
    entries.retain(|entry| !entry.path.is_empty());
    let mut tree = Tree::default();
    for entry in &entries {
        if entry.path.len() > DEEPEST {
            return Err(failed(&entry.name, EntryError::Deep));
        }
        if !tree.add(entry) {
            return Err(failed(&entry.name, EntryError::Twice));
        }
    }
    Ok(entries)
}

/// All paths of an archive, to find those that collide on a file system that ignores case.
#[derive(Default)]
struct Tree {
    /// Keyed by the number of the directory and the name in lower case.
    nodes: HashMap<(usize, String), Node>,
}

struct Node {
    name: String,
    is_dir: bool,
    number: usize,
    /// Whether it has its own entry.
    is_listed: bool,
}

impl Tree {
    /// Add an entry; false if its path exists already.
    fn add(&mut self, entry: &ArchiveEntry) -> bool {
        let mut dir = 0;
        for (at, part) in entry.path.iter().enumerate() {
            let is_last = at + 1 == entry.path.len();
            let is_dir = !is_last || entry.is_dir;
            let number = self.nodes.len() + 1;
            let key = (dir, part.to_lowercase());
            let node = self.nodes.entry(key).or_insert_with(|| Node {
                name: part.clone(),
                is_dir,
                number,
                is_listed: false,
            });
            if node.name != *part || node.is_dir != is_dir || is_last && node.is_listed {
                return false;
            }
            node.is_listed |= is_last;
            dir = node.number;
        }
        true
    }
}
