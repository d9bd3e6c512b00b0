//! Services that are made of several: by `extends`, and by a file that lies over another.

use super::super::error::ImportError;
use super::super::fields::Fields;
use super::super::files::SourceFiles;
use super::super::node::{MOST_NODES, SourceNode, SourceTable, SourceValue, laid_over, yaml};
use super::super::paths::{dir_of, joined};
use super::super::references::References;

/// The longest chain of `extends`.
const LONGEST_CHAIN: usize = 20;
/// Lists that are replaced as a whole.
const WHOLE: [&str; 3] = ["command", "entrypoint", "test"];

/// A value laid over another one.
pub(super) fn merged(base: SourceNode, over: SourceNode) -> SourceNode {
    let SourceNode { place, value } = over;
    let value = match (base.value, value) {
        (SourceValue::Table(base), SourceValue::Table(over)) => {
            SourceValue::Table(tables(base, over))
        }
        (SourceValue::List(mut base), SourceValue::List(over)) => {
            base.extend(over);
            SourceValue::List(base)
        }
        // Variables may be a list in one and a table in the other.
        (SourceValue::List(base), SourceValue::Table(over)) => {
            SourceValue::Table(tables(pairs(base), over))
        }
        (SourceValue::Table(base), SourceValue::List(over)) => {
            SourceValue::Table(tables(base, pairs(over)))
        }
        (_, over) => over,
    };
    SourceNode { place, value }
}

fn tables(base: SourceTable, over: SourceTable) -> SourceTable {
    laid_over(base, over, |key, base, node| match (base, node) {
        (_, SourceNode { value: SourceValue::Reset, .. }) => None,
        (_, SourceNode { value: SourceValue::Override(node), .. }) => Some(*node),
        (Some(base), node) if !WHOLE.contains(&key) => {
            Some(merged(whole_form(key, base), whole_form(key, node)))
        }
        (_, node) => Some(node),
    })
}

/// A value whose short form stands for a longer one, in that form.
fn whole_form(key: &str, node: SourceNode) -> SourceNode {
    let SourceNode { place, value } = node;
    let value = match (key, value) {
        ("build", SourceValue::Text(dir)) => {
            let dir = SourceNode { place: place.clone(), value: SourceValue::Text(dir) };
            SourceValue::Table(vec![("context".to_owned(), dir)])
        }
        ("env_file", SourceValue::Text(file)) => SourceValue::List(vec![SourceNode {
            place: place.clone(),
            value: SourceValue::Text(file),
        }]),
        (_, value) => value,
    };
    SourceNode { place, value }
}

/// A service from a file in another directory, whose paths lead there.
pub(super) fn rebased(node: &mut SourceNode, dir: &str) {
    let SourceValue::Table(service) = &mut node.value else { return };
    if dir.is_empty() {
        return;
    }
    let text = |node: &mut SourceNode| {
        if let SourceValue::Text(path) = &mut node.value {
            *path = joined(dir, path);
        }
    };
    let key = |node: &mut SourceNode, key: &str| {
        if let SourceValue::Table(entries) = &mut node.value {
            entries.iter_mut().filter(|(name, _)| name == key).for_each(|(_, node)| text(node));
        }
    };
    for (name, node) in service {
        match name.as_str() {
            "build" => {
                text(node);
                key(node, "context");
                let place = node.place.clone();
                if let SourceValue::Table(build) = &mut node.value
                    && build.iter().all(|(key, _)| key != "context")
                {
                    let dir = SourceNode { place, value: SourceValue::Text(dir.to_owned()) };
                    build.push(("context".to_owned(), dir));
                }
            }
            "extends" => key(node, "file"),
            "env_file" => {
                text(node);
                if let SourceValue::List(items) = &mut node.value {
                    for item in items {
                        text(item);
                        key(item, "path");
                    }
                }
            }
            "volumes" => {
                let SourceValue::List(items) = &mut node.value else { continue };
                for item in items {
                    match &mut item.value {
                        SourceValue::Text(volume) if volume.starts_with('.') => {
                            *volume = format!("./{}", joined(dir, volume));
                        }
                        SourceValue::Table(_) => key(item, "source"),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

/// A list of `NAME=VALUE` as a table.
fn pairs(items: Vec<SourceNode>) -> SourceTable {
    let pairs = items.into_iter().filter_map(|item| {
        let SourceValue::Text(text) = item.value else { return None };
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), SourceValue::Text(value.to_owned())),
            None => (text, SourceValue::Null),
        };
        Some((name, SourceNode { place: item.place, value }))
    });
    pairs.collect()
}

/// A service with what it extends.
pub(super) fn extended(
    (files, references): (&mut SourceFiles, &References),
    node: SourceNode,
    services: &SourceTable,
    depth: usize,
    copied: &mut usize,
) -> Result<SourceNode, ImportError> {
    let place = node.place.clone();
    let SourceValue::Table(mut table) = node.value else { return Ok(node) };
    let Some(at) = table.iter().position(|(key, _)| key == "extends") else {
        return Ok(SourceNode { place, value: SourceValue::Table(table) });
    };
    let (_, extends) = table.remove(at);
    let named = extends.clone();
    if depth >= LONGEST_CHAIN {
        return Err(extends.place.error("this service extends itself"));
    }
    let at = extends.place.clone();
    let (file, name) = if let SourceValue::Text(name) = extends.value {
        (None, name)
    } else {
        let mut extends = Fields::of(extends, "extends")?;
        let name = extends.text("service")?.map_or_else(String::new, |name| name.value);
        (extends.text("file")?, name)
    };
    let other;
    let services = match file {
        None => services,
        Some(file) => {
            let path = joined("", &file.value);
            let Some(found) = files.other(&path)? else {
                return Err(file.place.error(format!("{} does not exist", file.value)));
            };
            let mut node = yaml(&found.text, &found.name)?;
            references.expand(&mut node);
            let mut top = Fields::of(node, "")?;
            let mut table = match top.take("services") {
                Some(node) => node.table("services")?,
                None => vec![],
            };
            for (_, node) in &mut table {
                rebased(node, dir_of(&path));
            }
            other = table;
            &other
        }
    };
    let Some((_, base)) = services.iter().find(|(known, _)| *known == name) else {
        return Err(at.error(format!("there is no service `{name}` to extend")));
    };
    *copied += base.size();
    if *copied > MOST_NODES {
        return Err(at.error("too much is extended too often"));
    }
    let base = extended((files, references), base.clone(), services, depth + 1, copied)?;
    // It stays to be named.
    table.push(("extends".to_owned(), named));
    Ok(merged(base, SourceNode { place, value: SourceValue::Table(table) }))
}
