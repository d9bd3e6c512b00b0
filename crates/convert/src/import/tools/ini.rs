//! The format of `supervisord.conf`: sections, keys, comments behind `;` or `#`, and values that go on in lines which
//! begin with a blank. A section that stands twice is one, in which the last value of a key counts.

use std::collections::HashSet;
use std::sync::Arc;

use crate::import::format::{ImportError, MOST_PROCESSES};
use crate::import::node::{SourceNode, SourcePlace, SourceTable, SourceValue};

/// The sections of a file, in their order.
pub(in crate::import) fn ini(
    text: &str,
    file: &Arc<str>,
) -> Result<Vec<(String, SourceNode)>, ImportError> {
    let mut sections: Vec<(String, SourcePlace, SourceTable)> = vec![];
    let mut current = 0;
    for (at, line) in text.lines().enumerate() {
        let place = SourcePlace::new(file, at + 1);
        let uncommented = without_comment(line);
        let trimmed = uncommented.trim();
        let is_continued = line.starts_with([' ', '\t']);
        if trimmed.is_empty() {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').filter(|_| !is_continued) {
            let Some((name, _)) = name.split_once(']') else {
                return Err(place.error("this section has no `]`"));
            };
            let name = name.trim();
            current = sections.iter().position(|(known, ..)| known == name).unwrap_or_else(|| {
                sections.push((name.to_owned(), place.clone(), vec![]));
                sections.len() - 1
            });
            if sections.len() > MOST_PROCESSES {
                return Err(place.error("so many sections are not read"));
            }
            continue;
        }
        let Some((_, _, keys)) = sections.get_mut(current) else {
            return Err(place.error("this stands before the first section"));
        };
        if is_continued
            && let Some((_, SourceNode { value: SourceValue::Text(value), .. })) = keys.last_mut()
        {
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        let Some((key, value)) = trimmed.split_once(['=', ':']) else {
            return Err(place.error("this is neither a section nor `key = value`"));
        };
        let value = SourceValue::Text(value.trim().to_owned());
        let key = key.trim().to_ascii_lowercase();
        keys.push((key, SourceNode { place, value }));
    }
    let nodes = sections.into_iter().map(|(name, place, mut keys)| {
        let mut seen = HashSet::new();
        keys.reverse();
        keys.retain(|(key, _)| seen.insert(key.clone()));
        keys.reverse();
        (name, SourceNode { place, value: SourceValue::Table(keys) })
    });
    Ok(nodes.collect())
}

/// A line up to a `;` or `#` that begins it or stands behind a blank.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if [';', '#'].contains(&c) && before.is_whitespace() {
            return &line[..at];
        }
        before = c;
    }
    line
}
