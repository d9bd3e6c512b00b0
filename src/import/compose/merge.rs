//! Services that are made of several: by `extends`, and by a file that lies over another.

use super::super::error::ImportError;
use super::super::fields::Fields;
use super::super::files::SourceFiles;
use super::super::node::{MOST_NODES, SourceNode, SourceTable, SourceValue, yaml};

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

fn tables(mut base: SourceTable, over: SourceTable) -> SourceTable {
    for (key, node) in over {
        match base.iter().position(|(name, _)| *name == key) {
            None => base.push((key, node)),
            Some(at) if WHOLE.contains(&key.as_str()) => base[at].1 = node,
            Some(at) => {
                let old = base.remove(at).1;
                base.insert(at, (key, merged(old, node)));
            }
        }
    }
    base
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
    files: &mut SourceFiles,
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
            let path = file.value.strip_prefix("./").unwrap_or(&file.value);
            let Some(found) = files.other(path)? else {
                return Err(file.place.error(format!("{} does not exist", file.value)));
            };
            let mut top = Fields::of(yaml(&found.text, &found.name)?, "")?;
            other = match top.take("services") {
                Some(node) => node.table("services")?,
                None => vec![],
            };
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
    let base = extended(files, base.clone(), services, depth + 1, copied)?;
    // It stays to be named.
    table.push(("extends".to_owned(), named));
    Ok(merged(base, SourceNode { place, value: SourceValue::Table(table) }))
}
