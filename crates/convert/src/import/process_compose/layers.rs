//! Files that lie over each other: by `extends`, and the override file that process-compose looks for itself.

use std::collections::HashSet;
use std::io::{self, ErrorKind};

use super::super::error::ImportError;
use super::super::files::{SourceFile, SourceFiles};
use super::super::node::{DEEPEST, SourceNode, SourceValue, laid_over, yaml};

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
