//! Files that lie over each other: by `extends`, and the override file that process-compose looks for itself; and
//! templates: `{{.NAME}}` with the `vars` of the file and of the process.

use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind};

use crate::import::fields::Fields;
use crate::import::files::{SourceFile, SourceFiles};
use crate::import::format::ImportError;
use crate::import::node::{DEEPEST, SourceNode, SourcePlace, SourceValue, laid_over, yaml};

/// The files that process-compose looks for. One that is named to it has no override.
const FOUND: [&str; 4] =
    ["compose.yml", "compose.yaml", "process-compose.yml", "process-compose.yaml"];
/// Those it lays over them, the first that exists.
const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "process-compose.override.yml",
    "process-compose.override.yaml",
];

/// The source with the files below and above it.
pub(super) fn merged_source(files: &mut SourceFiles) -> Result<SourceNode, ImportError> {
    let source = files.main()?;
    let main = extended(files, &source, 0)?;
    let over = OVERRIDES.into_iter().find(|name| files.exists(name));
    let Some(over) = over.filter(|_| FOUND.contains(&files.main_name())) else { return Ok(main) };
    let Some(over) = files.other(over)? else { return Ok(main) };
    Ok(merged("", main, yaml(&over.text, &over.name)?))
}

/// A file laid over the one it extends.
fn extended(
    files: &mut SourceFiles,
    source: &SourceFile,
    depth: usize,
) -> Result<SourceNode, ImportError> {
    let mut node = yaml(&source.text, &source.name)?;
    let dir = source.name.rsplit_once('/').map_or("", |(dir, _)| dir);
    if depth > 0 && !dir.is_empty() {
        // Paths in it are relative to it.
        move_to(dir, &mut node);
    }
    let SourceValue::Table(entries) = &mut node.value else { return Ok(node) };
    let Some(at) = entries.iter().position(|(key, _)| key == "extends") else { return Ok(node) };
    let (_, base) = entries.remove(at);
    let place = base.place.clone();
    if depth >= DEEPEST {
        return Err(place.error("too many files extend each other"));
    }
    let base = base.text("extends")?;
    let base = base.trim_start_matches("./");
    let name = if dir.is_empty() { base.to_owned() } else { format!("{dir}/{base}") };
    let missing = || io::Error::from(ErrorKind::NotFound);
    let base = files.other(&name)?;
    let base = base.ok_or_else(|| ImportError::Read { file: name, source: missing() })?;
    Ok(merged("", extended(files, &base, depth + 1)?, node))
}

/// Let the processes of a file in a directory below run there.
fn move_to(dir: &str, node: &mut SourceNode) {
    let SourceValue::Table(entries) = &mut node.value else { return };
    let processes = entries.iter_mut().find(|(key, _)| key == "processes");
    let Some((_, SourceNode { value: SourceValue::Table(processes), .. })) = processes else {
        return;
    };
    for (_, process) in processes {
        let place = process.place.clone();
        let SourceValue::Table(entries) = &mut process.value else { continue };
        let own = entries.iter_mut().find(|(key, _)| key == "working_dir");
        if let Some((_, SourceNode { value: SourceValue::Text(own), .. })) = own {
            if !own.starts_with(['/', '$', '{']) {
                *own = format!("{dir}/{own}");
            }
        } else {
            let value = SourceValue::Text(dir.to_owned());
            entries.push(("working_dir".to_owned(), SourceNode { place, value }));
        }
    }
}

/// The value of a key laid over another one, as process-compose does it: lists are appended, and what is empty or
/// false replaces nothing.
fn merged(key: &str, base: SourceNode, over: SourceNode) -> SourceNode {
    let SourceNode { place, value } = over;
    let value = match (base.value, value) {
        (SourceValue::Table(base), SourceValue::Table(over)) => {
            SourceValue::Table(laid_over(base, over, |key, base, node| match base {
                Some(base) => Some(merged(key, base, node)),
                None => Some(node),
            }))
        }
        (SourceValue::List(mut base), SourceValue::List(over)) if key != "namespace" => {
            if key == "environment" {
                let names: HashSet<_> = over.iter().filter_map(variable).collect();
                base.retain(|item| variable(item).is_none_or(|name| !names.contains(&name)));
            }
            base.extend(over);
            SourceValue::List(base)
        }
        (value, over) if replaces_nothing(key, &over) => {
            return SourceNode { place: base.place, value };
        }
        (_, over) => over,
    };
    SourceNode { place, value }
}

/// The name in `NAME=value`.
fn variable(item: &SourceNode) -> Option<String> {
    let SourceValue::Text(text) = &item.value else { return None };
    Some(text.split('=').next()?.to_owned())
}

fn replaces_nothing(key: &str, value: &SourceValue) -> bool {
    match value {
        SourceValue::Null => true,
        // A text, unlike the others, to be able to take back `disabled`.
        SourceValue::Text(_) if key == "is_disabled" => false,
        SourceValue::Text(text) => {
            text.is_empty() || ["false", "0"].contains(&&**text) || text == "no" && key != "restart"
        }
        _ => false,
    }
}

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
