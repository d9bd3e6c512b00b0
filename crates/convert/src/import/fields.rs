//! The keys of a table that are still to be taken over. What is left at the end is named, not dropped.

use super::format::ImportError;
use super::node::{SourceNode, SourcePlace, SourceTable, SourceValue, Variable};
use super::process::{ImportedProcess, LeftOut};
use super::rows::{Row, has_keys_of, reason};

/// A table of the source, from which a reader takes one key after another.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    /// Where the table stands.
    pub(super) place: SourcePlace,
    /// What its keys are called in messages: the keys above it, with a dot behind each.
    prefix: String,
    entries: SourceTable,
}

/// A text with its place.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: SourcePlace,
}

impl Placed<String> {
    /// The words of a command, which nothing but quotes hold together.
    pub(super) fn split_words(&self, what: &str) -> Result<Vec<String>, ImportError> {
        let words = shell_words::split(&self.value);
        words.map_err(|_| self.place.error(format!("a quote in {what} is not closed")))
    }
}

impl Fields {
    pub(super) fn new(node: SourceNode, path: &str) -> Result<Self, ImportError> {
        let place = node.place.clone();
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        Ok(Self { place, prefix, entries: node.table(path)? })
    }

    pub(super) fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Whether this key is there, with a value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The value of a key that stays to be taken.
    pub(super) fn get(&self, key: &str) -> Option<&SourceNode> {
        find_in(&self.entries, key).filter(|node| !matches!(node.value, SourceValue::Null))
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut SourceNode> {
        self.entries.iter_mut().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// Take a key, or one of a table in this one, with a dot between them; one without a value counts as absent.
    pub(super) fn take(&mut self, key: &str) -> Option<SourceNode> {
        take_from(&mut self.entries, key).filter(|node| !matches!(node.value, SourceValue::Null))
    }

    /// Take a key that has this text.
    pub(super) fn drop_text(&mut self, key: &str, usual: &str) {
        if matches!(self.get(key), Some(SourceNode { value: SourceValue::Text(text), .. }) if text == usual)
        {
            self.take(key);
        }
    }

    /// Give a key that has other names the first of them, unless it is there.
    pub(super) fn rename(&mut self, key: &str, others: &[&str]) {
        if !self.has(key)
            && let Some((name, _)) =
                self.entries.iter_mut().find(|(name, _)| others.contains(&&**name))
        {
            key.clone_into(name);
        }
    }

    /// Take all keys that begin so.
    pub(super) fn take_beginning(&mut self, with: &str) -> SourceTable {
        self.entries.extract_if(.., |(key, _)| key.starts_with(with)).collect()
    }

    /// Lay another table over it, whose values count.
    pub(super) fn lay_over(&mut self, over: Self) {
        self.entries.retain(|(key, _)| over.entries.iter().all(|(other, _)| other != key));
        self.entries.extend(over.entries);
    }

    /// What is left without texts that have no effect, for which this holds, and empty values.
    pub(super) fn without(mut self, without_effect: impl Fn(&str, &str) -> bool) -> Self {
        self.entries.retain(|(key, node)| match &node.value {
            SourceValue::Text(text) => !without_effect(key, text),
            SourceValue::List(items) => !items.is_empty(),
            SourceValue::Table(entries) => !entries.is_empty(),
            _ => false,
        });
        self
    }

    /// Take a key with its place.
    fn placed<T>(
        &mut self,
        key: &str,
        value: fn(SourceNode, &str) -> Result<T, ImportError>,
    ) -> Result<Option<Placed<T>>, ImportError> {
        let Some(node) = self.take(key) else { return Ok(None) };
        let place = node.place.clone();
        Ok(Some(Placed { value: value(node, &self.path(key))?, place }))
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<Placed<String>>, ImportError> {
        self.placed(key, SourceNode::text)
    }

    pub(super) fn texts(&mut self, key: &str) -> Result<Option<Placed<Vec<String>>>, ImportError> {
        self.placed(key, SourceNode::texts)
    }

    pub(super) fn variables(&mut self, key: &str) -> Result<Vec<Variable>, ImportError> {
        let path = self.path(key);
        self.take(key).map_or(Ok(vec![]), |node| node.variables(&path))
    }

    /// A text that `read` understands; another one is left out with its value.
    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        process: &mut ImportedProcess,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<Placed<T>>, ImportError> {
        let path = self.path(key);
        let Some(Placed { value, place }) = self.text(key)? else { return Ok(None) };
        let Some(read) = read(value.trim()) else {
            process.leave(&place, format!("{path}: {value}"), "tmo can't read this value");
            return Ok(None);
        };
        Ok(Some(Placed { value: read, place }))
    }

    /// A table in this one.
    pub(super) fn fields(&mut self, key: &str) -> Result<Option<Self>, ImportError> {
        let path = self.path(key);
        self.take(key).map(|node| Self::new(node, &path)).transpose()
    }

    /// Whether a key is there and true.
    pub(super) fn is_on(&mut self, key: &str) -> Result<bool, ImportError> {
        Ok(self.text(key)?.is_some_and(|text| is_true(&text.value)))
    }

    /// Name all that is left, with the reason that the rows of its tool give.
    pub(super) fn leave<C>(self, rows: &[Row<C>], to: &mut Vec<LeftOut>) {
        for (key, node) in self.entries {
            let what = format!("{}{key}", self.prefix);
            match node.value {
                // A key that begins so is a remark of the author's, in compose as in other tools.
                _ if key.starts_with("x-") => {}
                SourceValue::Table(entries) if has_keys_of(rows, &key) => {
                    let prefix = format!("{what}.");
                    Self { place: node.place, prefix, entries }.leave(rows, to);
                }
                _ => to.push(LeftOut { place: node.place, why: reason(rows, &what), what }),
            }
        }
    }
}

fn find_in<'n>(entries: &'n SourceTable, key: &str) -> Option<&'n SourceNode> {
    let (name, rest) = key.split_once('.').unwrap_or((key, ""));
    let (_, node) = entries.iter().find(|(known, _)| known == name)?;
    match &node.value {
        _ if rest.is_empty() => Some(node),
        SourceValue::Table(inner) => find_in(inner, rest),
        _ => None,
    }
}

fn take_from(entries: &mut SourceTable, key: &str) -> Option<SourceNode> {
    let (name, rest) = key.split_once('.').unwrap_or((key, ""));
    let at = entries.iter().position(|(known, _)| known == name)?;
    match &mut entries.get_mut(at)?.1.value {
        _ if rest.is_empty() => Some(entries.remove(at).1),
        SourceValue::Table(inner) => {
            let node = take_from(inner, rest);
            if inner.is_empty() {
                entries.remove(at);
            }
            node
        }
        _ => None,
    }
}

/// What counts as true in the files of other tools.
pub(super) fn is_true(text: &str) -> bool {
    ["true", "yes", "on", "1"].iter().any(|word| text.eq_ignore_ascii_case(word))
}
