//! Services that are made of several: by `extends`, and by a file that lies over another.

use crate::import::fields::{Fields, Placed};
use crate::import::files::SourceFiles;
use crate::import::format::ImportError;
use crate::import::node::{
    DEEPEST, MOST_NODES, SourceNode, SourceTable, SourceValue, laid_over, yaml,
};
use crate::import::references::References;
use crate::import::values::{dir_of, joined};

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

/// Puts services together with what they extend.
pub(super) struct Extension<'a> {
    pub(super) files: &'a mut SourceFiles,
    pub(super) references: &'a References,
    /// How many values have been copied.
    pub(super) copied: usize,
}

impl Extension<'_> {
    /// A service with what it extends among these.
    pub(super) fn extended(
        &mut self,
        node: SourceNode,
        services: &SourceTable,
        depth: usize,
    ) -> Result<SourceNode, ImportError> {
        let Some(extends) = find_in_table(&node, "extends").cloned() else { return Ok(node) };
        let place = extends.place.clone();
        if depth >= DEEPEST {
            return Err(place.error("this service extends itself"));
        }
        let mut extends = match extends.value {
            SourceValue::Text(_) => Fields::new(extends.under("service"), "extends")?,
            _ => Fields::new(extends, "extends")?,
        };
        let name = extends.text("service")?.map_or_else(String::new, |name| name.value);
        let others = match extends.text("file")? {
            Some(file) => Some(self.services_of(&file)?),
            None => None,
        };
        let services = others.as_ref().unwrap_or(services);
        let Some((_, base)) = services.iter().find(|(known, _)| *known == name) else {
            return Err(place.error(format!("there is no service `{name}` to extend")));
        };
        self.copied += base.size();
        if self.copied > MOST_NODES {
            return Err(place.error("too much is extended too often"));
        }
        Ok(merged(self.extended(base.clone(), services, depth + 1)?, node))
    }

    /// The services of another file, with their paths as they are reached from here.
    fn services_of(&mut self, file: &Placed<String>) -> Result<SourceTable, ImportError> {
        let path = joined("", &file.value);
        let Some(found) = self.files.other(&path)? else {
            return Err(file.place.error(format!("{} does not exist", file.value)));
        };
        let mut node = yaml(&found.text, &found.name)?;
        self.references.expand(&mut node);
        let services = Fields::new(node, "")?.take("services");
        let mut table = services.map_or(Ok(vec![]), |node| node.table("services"))?;
        for (_, node) in &mut table {
            rebased(node, dir_of(&path));
        }
        Ok(table)
    }
}

fn find_in_table<'n>(node: &'n SourceNode, key: &str) -> Option<&'n SourceNode> {
    let SourceValue::Table(entries) = &node.value else { return None };
    entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
}
