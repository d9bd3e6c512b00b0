//! The contents of a source file as a tree, in which each value knows the line it stands on.
//!
//! JSON is read as YAML, which contains it. The values of scalars stay as they are written: `3000`, `"3000"`
//! and `yes` are texts, and each reader decides what they mean.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::format::ImportError;

/// The most values of a file, with each alias counted as the values it stands for.
pub(super) const MOST_NODES: usize = 100_000;
/// So many bytes of a text count as one value more.
const TEXT_OF_NODE: usize = 100;
/// The deepest nesting of values, and of files that include or extend each other.
pub(super) const DEEPEST: usize = 64;

/// A line of a source file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourcePlace {
    /// The file, as it is shown.
    pub file: Arc<str>,
    /// Its number, from 1.
    pub line: usize,
}

impl fmt::Display for SourcePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A value of a source file.
#[derive(Debug, Clone)]
pub(super) struct SourceNode {
    /// Where it stands; of a value in a table, where its key stands.
    pub(super) place: SourcePlace,
    pub(super) value: SourceValue,
}

#[derive(Debug, Clone)]
pub(super) enum SourceValue {
    /// Nothing: `null`, `~` or no text at all.
    Null,
    /// A scalar, without its quotes.
    Text(String),
    List(Vec<SourceNode>),
    Table(SourceTable),
    /// `!reset` of compose: what another file says is taken away.
    Reset,
    /// `!override` of compose: what another file says is replaced as a whole.
    Override(Box<SourceNode>),
}

/// Keys in the order of the file.
pub(super) type SourceTable = Vec<(String, SourceNode)>;

/// A table laid over another one. `merge` gets a key of the upper one with both values, and returns what becomes of it;
/// `None` removes the key.
pub(super) fn laid_over(
    base: SourceTable,
    over: SourceTable,
    merge: impl Fn(&str, Option<SourceNode>, SourceNode) -> Option<SourceNode>,
) -> SourceTable {
    let mut entries: Vec<_> = base.into_iter().map(|(key, node)| (key, Some(node))).collect();
    let places = entries.iter().enumerate().map(|(at, (key, _))| (key.clone(), at));
    let places: HashMap<String, usize> = places.collect();
    for (key, node) in over {
        if let Some(there) = places.get(&key).map(|at| &mut entries[*at].1) {
            *there = merge(&key, there.take(), node);
        } else {
            let node = merge(&key, None, node);
            entries.push((key, node));
        }
    }
    entries.into_iter().filter_map(|(key, node)| Some((key, node?))).collect()
}

impl SourceNode {
    /// The error that something else was expected here.
    pub(super) fn unlike(&self, what: &str, expected: &str) -> ImportError {
        let found = match &self.value {
            SourceValue::Null | SourceValue::Reset => "nothing".to_owned(),
            SourceValue::Text(text) => format!("`{}`", text.escape_debug()),
            SourceValue::List(_) => "a list".to_owned(),
            SourceValue::Table(_) => "a table".to_owned(),
            SourceValue::Override(_) => "a value for another file".to_owned(),
        };
        self.place.error(format!("`{what}` is {found}; {expected} is expected"))
    }

    /// A table with this value below a key.
    pub(super) fn under(self, key: &str) -> Self {
        Self { place: self.place.clone(), value: SourceValue::Table(vec![(key.to_owned(), self)]) }
    }

    /// The values of a list; a single one counts as a list.
    pub(super) fn items(self) -> Vec<Self> {
        match self.value {
            SourceValue::List(items) => items,
            _ => vec![self],
        }
    }

    /// A scalar.
    pub(super) fn text(self, what: &str) -> Result<String, ImportError> {
        match self.value {
            SourceValue::Text(text) => Ok(text),
            _ => Err(self.unlike(what, "a text")),
        }
    }

    /// A list of scalars; a single one counts as a list, and nothing as an empty one.
    pub(super) fn texts(self, what: &str) -> Result<Vec<String>, ImportError> {
        match self.value {
            SourceValue::Null => Ok(vec![]),
            SourceValue::Text(text) => Ok(vec![text]),
            SourceValue::List(items) => items.into_iter().map(|item| item.text(what)).collect(),
            _ => Err(self.unlike(what, "a text or a list")),
        }
    }

    /// A table; nothing counts as an empty one.
    pub(super) fn table(self, what: &str) -> Result<SourceTable, ImportError> {
        match self.value {
            SourceValue::Null => Ok(vec![]),
            SourceValue::Table(table) => Ok(table),
            _ => Err(self.unlike(what, "a table")),
        }
    }

    /// Variables: a table, or a list of `NAME=VALUE`. A variable without a value is taken from the caller's
    /// environment.
    pub(super) fn variables(self, what: &str) -> Result<Vec<Variable>, ImportError> {
        let one = |name: String, node: SourceNode| {
            let place = node.place.clone();
            let value = match node.value {
                SourceValue::Null => None,
                _ => Some(node.text(what)?),
            };
            Ok(Variable { name, value, place })
        };
        match self.value {
            SourceValue::List(items) => {
                let items = items.into_iter().map(|item| {
                    let place = item.place.clone();
                    let text = item.text(what)?;
                    let (name, value) = match text.split_once('=') {
                        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                        None => (text, None),
                    };
                    Ok(Variable { name, value, place })
                });
                items.collect()
            }
            _ => self.table(what)?.into_iter().map(|(name, node)| one(name, node)).collect(),
        }
    }

    /// Edit all texts below keys for which `is_wanted` holds.
    pub(super) fn edit(
        &mut self,
        is_wanted: &dyn Fn(&str) -> bool,
        edit: &mut dyn FnMut(&mut String, &SourcePlace),
    ) {
        match &mut self.value {
            SourceValue::Null | SourceValue::Reset => {}
            SourceValue::Override(node) => node.edit(is_wanted, edit),
            SourceValue::Text(text) => edit(text, &self.place),
            SourceValue::List(items) => {
                for item in items {
                    item.edit(is_wanted, edit);
                }
            }
            SourceValue::Table(entries) => {
                for (_, node) in entries.iter_mut().filter(|(key, _)| is_wanted(key)) {
                    node.edit(is_wanted, edit);
                }
            }
        }
    }

    /// Whether a text in it names this variable.
    pub(super) fn names_variable(&self, name: &str) -> bool {
        match &self.value {
            SourceValue::Null | SourceValue::Reset => false,
            SourceValue::Override(node) => node.names_variable(name),
            SourceValue::Text(text) => {
                text.contains(&format!("${name}")) || text.contains(&format!("${{{name}"))
            }
            SourceValue::List(items) => items.iter().any(|item| item.names_variable(name)),
            SourceValue::Table(entries) => {
                entries.iter().any(|(_, node)| node.names_variable(name))
            }
        }
    }

    /// How many values it counts as.
    pub(super) fn size(&self) -> usize {
        1 + match &self.value {
            SourceValue::Null | SourceValue::Reset => 0,
            SourceValue::Override(node) => node.size(),
            SourceValue::Text(text) => text.len() / TEXT_OF_NODE,
            SourceValue::List(items) => items.iter().map(Self::size).sum(),
            SourceValue::Table(entries) => entries.iter().map(|(_, node)| node.size()).sum(),
        }
    }
}

/// A variable of an environment.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: Option<String>,
    pub(super) place: SourcePlace,
}

impl SourcePlace {
    pub(super) fn new(file: &Arc<str>, line: usize) -> Self {
        Self { file: Arc::clone(file), line }
    }

    pub(super) fn error(&self, why: impl Into<String>) -> ImportError {
        ImportError::Mistake { place: self.clone(), why: why.into() }
    }
}

/// The first document of a YAML or JSON file.
pub(super) fn yaml(text: &str, file: &Arc<str>) -> Result<SourceNode, ImportError> {
    let mut reader =
        YamlReader { events: Parser::new_from_str(text), file, anchors: HashMap::new(), nodes: 0 };
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_), _) => {}
            (Event::StreamEnd | Event::DocumentEnd, span) => {
                return Ok(reader.node(&span, SourceValue::Null));
            }
            (event, span) => return reader.value(event, &span, 0),
        }
    }
}

struct YamlReader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    file: &'a Arc<str>,
    anchors: HashMap<usize, SourceNode>,
    nodes: usize,
}

impl<'a> YamlReader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), ImportError> {
        match self.events.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.place(error.marker().line()).error(error.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn place(&self, line: usize) -> SourcePlace {
        SourcePlace::new(self.file, line.max(1))
    }

    fn node(&self, span: &Span, value: SourceValue) -> SourceNode {
        SourceNode { place: self.place(span.start.line()), value }
    }

    fn value(
        &mut self,
        event: Event<'a>,
        span: &Span,
        depth: usize,
    ) -> Result<SourceNode, ImportError> {
        self.count(span, 1)?;
        if depth > DEEPEST {
            return Err(self.place(span.start.line()).error("this is nested too deeply"));
        }
        let (anchor, value, tag) = match event {
            Event::Alias(anchor) => {
                let place = self.place(span.start.line());
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(place.error("this alias stands for a value that contains it"));
                };
                self.count(span, node.size())?;
                return Ok(SourceNode { place, ..node });
            }
            Event::Scalar(text, style, anchor, tag) => (anchor, scalar(&text, style), tag),
            Event::SequenceStart(anchor, tag) => {
                (anchor, SourceValue::List(self.list_items(depth)?), tag)
            }
            Event::MappingStart(anchor, tag) => {
                (anchor, SourceValue::Table(self.table(depth)?), tag)
            }
            _ => (0, SourceValue::Null, None),
        };
        let node = self.node(span, value);
        let node = match tag.as_ref().map(|tag| tag.suffix.as_str()) {
            Some("reset") => SourceNode { value: SourceValue::Reset, ..node },
            Some("override") => {
                let place = node.place.clone();
                SourceNode { place, value: SourceValue::Override(Box::new(node)) }
            }
            _ => node,
        };
        if anchor > 0 {
            self.count(span, node.size())?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list_items(&mut self, depth: usize) -> Result<Vec<SourceNode>, ImportError> {
        let mut items = vec![];
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(items),
                (event, span) => items.push(self.value(event, &span, depth + 1)?),
            }
        }
    }

    fn table(&mut self, depth: usize) -> Result<SourceTable, ImportError> {
        let (mut own, mut merged) = (SourceTable::new(), SourceTable::new());
        let mut keys = HashSet::new();
        loop {
            let (event, span) = match self.next()? {
                (Event::MappingEnd | Event::StreamEnd, _) => break,
                other => other,
            };
            let key = self.value(event, &span, depth + 1)?.text("a key")?;
            let (event, value_span) = self.next()?;
            let value = self.value(event, &value_span, depth + 1)?;
            let value = SourceNode { place: self.place(span.start.line()), ..value };
            if key == "<<" {
                for table in value.items() {
                    merged.extend(table.table("<<")?);
                }
            } else if !keys.insert(key.clone()) {
                return Err(value.place.error(format!("`{key}` stands here twice")));
            } else {
                own.push((key, value));
            }
        }
        // What the table says itself wins over what it merges, and of that the first.
        for (key, value) in merged {
            if keys.insert(key.clone()) {
                own.push((key, value));
            }
        }
        Ok(own)
    }

    fn count(&mut self, span: &Span, nodes: usize) -> Result<(), ImportError> {
        self.nodes += nodes;
        if self.nodes <= MOST_NODES {
            return Ok(());
        }
        let why = format!("with its aliases resolved, it has more than {MOST_NODES} values");
        Err(self.place(span.start.line()).error(why))
    }
}

fn scalar(text: &str, style: ScalarStyle) -> SourceValue {
    match text {
        "" | "~" | "null" | "Null" | "NULL" if style == ScalarStyle::Plain => SourceValue::Null,
        _ => SourceValue::Text(text.to_owned()),
    }
}
