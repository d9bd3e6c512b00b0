//! The format of `supervisord.conf`: sections, keys, comments behind `;`, and values that go on in lines which begin
//! with a blank.

use std::sync::Arc;

use super::error::ImportError;
use super::node::{SourceNode, SourcePlace, SourceTable, SourceValue};

/// The sections of a file, in their order.
pub(super) fn ini(text: &str, file: &Arc<str>) -> Result<Vec<(String, SourceNode)>, ImportError> {
    let mut sections: Vec<(String, SourcePlace, SourceTable)> = vec![];
    for (at, line) in text.lines().enumerate() {
        let place = SourcePlace::new(file, at + 1);
        let uncommented = without_comment(line);
        let trimmed = uncommented.trim();
        let is_continued = line.starts_with([' ', '\t']);
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').filter(|_| !is_continued) {
            let Some((name, _)) = name.split_once(']') else {
                return Err(place.error("this section has no `]`"));
            };
            sections.push((name.trim().to_owned(), place, vec![]));
            continue;
        }
        let Some((_, _, keys)) = sections.last_mut() else {
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
        keys.push((key.trim().to_ascii_lowercase(), SourceNode { place, value }));
    }
    let nodes = sections
        .into_iter()
        .map(|(name, place, keys)| (name, SourceNode { place, value: SourceValue::Table(keys) }));
    Ok(nodes.collect())
}

/// A line up to a `;` that begins it or stands behind a blank.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == ';' && before.is_whitespace() {
            return &line[..at];
        }
        before = c;
    }
    line
}
