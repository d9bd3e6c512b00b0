//! Templates: `{{.NAME}}` with the `vars` of the file and of the process.

use std::collections::HashMap;

use super::super::error::ImportError;
use super::super::fields::Fields;
use super::super::node::{SourceNode, SourcePlace, SourceValue};

/// The keys whose values are templates.
const KEYS: [&str; 6] =
    ["command", "working_dir", "description", "environment", "readiness_probe", "liveness_probe"];

/// So many templates of a text may be ones that can't be filled in, before the others stay too.
const MOST_FAILED: usize = 100;

/// Fills in templates.
#[derive(Clone, Default)]
pub(super) struct Templates(HashMap<String, String>);

impl Templates {
    /// Take the `vars` of a table.
    pub(super) fn take(&mut self, fields: &mut Fields) -> Result<(), ImportError> {
        for (name, node) in fields.take("vars").map_or(Ok(vec![]), |vars| vars.table("vars"))? {
            if let SourceValue::Text(value) = node.value {
                self.0.insert(name, value);
            }
        }
        Ok(())
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// Fill in those of a process; returns the keys and places of texts in which something stays that only Go's templates
    /// can do.
    pub(super) fn fill(&self, process: &mut SourceNode) -> Vec<(String, SourcePlace)> {
        let mut failed = vec![];
        let SourceValue::Table(entries) = &mut process.value else { return failed };
        for (key, node) in entries.iter_mut().filter(|(key, _)| KEYS.contains(&&**key)) {
            node.edit(&|_| true, &mut |text, place| {
                let (filled, is_whole) = self.text(text);
                *text = filled;
                failed.extend((!is_whole).then(|| (key.clone(), place.clone())));
            });
        }
        failed
    }

    /// A text with its templates filled in, and whether that could be done with all of them.
    fn text(&self, mut rest: &str) -> (String, bool) {
        let (mut text, mut failed) = (String::new(), 0);
        while let Some((before, after)) = rest.split_once("{{") {
            text.push_str(before);
            let inside = after.trim_start();
            let (value, more) = if let Some(literal) = inside.strip_prefix('"') {
                let end = literal.split_once('"');
                let end = end.and_then(|(word, more)| {
                    Some((word.to_owned(), more.trim_start().strip_prefix("}}")?))
                });
                end.unzip()
            } else {
                let end = inside.split_once("}}");
                let name = end.and_then(|(name, _)| name.trim_end().strip_prefix('.'));
                let value = name.and_then(|name| self.0.get(name).cloned());
                (value, end.map(|(_, more)| more))
            };
            if let (Some(value), Some(more)) = (value, more) {
                text.push_str(&value);
                rest = more;
            } else {
                text.push_str("{{");
                failed += 1;
                rest = after;
            }
            // Each search for an end may go through all of it.
            if failed > MOST_FAILED {
                break;
            }
        }
        text.push_str(rest);
        (text, failed == 0)
    }
}
