//! Variables in values of compose and process-compose: `$NAME`, `${NAME:-default}`, and `$$` for a dollar.

use std::collections::HashMap;

use super::node::{SourceNode, SourceValue, Variable};
use super::process::ImportedProcess;
use super::write::env_quoted;
use crate::config::dotenv;
use crate::model::shell;

/// Replaces references to variables.
#[derive(Default)]
pub(super) struct References {
    /// What `.env` sets, which tmo reads too.
    known: HashMap<String, String>,
}

/// How deep defaults may stand in defaults.
const DEEPEST_DEFAULT: u8 = 8;

/// A part of a value.
pub(super) enum Part<'a> {
    Text(&'a str),
    Dollar,
    Variable { name: &'a str, operator: &'a str, word: &'a str },
}

impl References {
    /// Those of a project with this `.env`.
    pub(super) fn new(env: &str) -> Self {
        let parsed = dotenv::parse(env.as_bytes(), &|_| None).unwrap_or_default();
        let pairs = parsed.into_iter().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self { known: pairs.collect() }
    }

    /// A value with the variables replaced that `.env` or a default gives; others stay.
    pub(super) fn value(&self, text: &str) -> String {
        self.value_at(text, 0)
    }

    fn value_at(&self, text: &str, depth: u8) -> String {
        let texts = parts(text).into_iter().map(|part| match part {
            Part::Text(text) => text.to_owned(),
            Part::Dollar => "$".to_owned(),
            Part::Variable { name, operator, word } => {
                let known = self.known.get(name);
                let other = |word: &str| {
                    if depth < DEEPEST_DEFAULT {
                        self.value_at(word, depth + 1)
                    } else {
                        String::new()
                    }
                };
                match (operator, known) {
                    (":-" | "-", None) | (":+" | "+", Some(_)) => other(word),
                    (":+" | "+", None) => String::new(),
                    (":-", Some(known)) if known.is_empty() => other(word),
                    (_, Some(known)) => known.clone(),
                    // Who reads the result sees what is missing.
                    (_, None) => format!("${{{name}}}"),
                }
            }
        });
        texts.collect::<Vec<_>>().concat()
    }

    /// Replace the variables in a tree, except where they can stay variables: in environments and commands.
    pub(super) fn resolve(&self, node: &mut SourceNode) {
        const STAY: [&str; 4] = ["environment", "command", "entrypoint", "test"];
        match &mut node.value {
            SourceValue::Null | SourceValue::Reset => {}
            SourceValue::Override(node) => self.resolve(node),
            SourceValue::Text(text) => *text = self.value(text),
            SourceValue::List(items) => {
                for item in items {
                    self.resolve(item);
                }
            }
            SourceValue::Table(entries) => {
                for (_, node) in entries.iter_mut().filter(|(key, _)| !STAY.contains(&&**key)) {
                    self.resolve(node);
                }
            }
        }
    }

    /// Give a process a variable in which others may be named.
    pub(super) fn set_variable(&self, process: &mut ImportedProcess, mut variable: Variable) {
        let Some(value) = variable.value.take() else { return };
        let (text, has_references) = self.of(&value);
        // Only a number can be a port.
        let is_port = variable.name == "PORT" && has_references;
        variable.value = Some(if is_port { self.value(&value) } else { text });
        process.set_variable(variable, has_references && !is_port);
    }

    /// A value without references, or one for a file of variables with those that stay.
    pub(super) fn of(&self, value: &str) -> (String, bool) {
        let (plain, has_references) = self.resolved(value, 0, &|text| text.to_owned());
        if !has_references {
            return (plain, false);
        }
        let escaped = |text: &str| {
            let quoted = env_quoted(text);
            quoted[1..quoted.len() - 1].to_owned()
        };
        (self.resolved(value, 0, &escaped).0, true)
    }

    fn resolved(&self, value: &str, depth: u8, plain: &dyn Fn(&str) -> String) -> (String, bool) {
        let (mut text, mut has_references) = (String::new(), false);
        for part in parts(value) {
            match part {
                Part::Text(part) => text.push_str(&plain(part)),
                Part::Dollar => text.push_str(&plain("$")),
                Part::Variable { name, operator, word } => {
                    let is_known = self.known.contains_key(name);
                    let word = match operator {
                        ":-" | "-" if !is_known => Some(word),
                        ":+" | "+" => Some(if is_known { word } else { "" }),
                        _ => None,
                    };
                    match word {
                        Some(word) if depth < DEEPEST_DEFAULT => {
                            let (word, more) = self.resolved(word, depth + 1, plain);
                            text.push_str(&word);
                            has_references |= more;
                        }
                        Some(_) | None => {
                            text.extend(["${", name, "}"]);
                            has_references = true;
                        }
                    }
                }
            }
        }
        (text, has_references)
    }
}

pub(super) fn parts(mut rest: &str) -> Vec<Part<'_>> {
    let mut parts = vec![];
    // Once a brace is not closed, none behind it is.
    let mut closed = true;
    while let Some(at) = rest.find('$') {
        if at > 0 {
            parts.push(Part::Text(&rest[..at]));
        }
        let after = &rest[at + 1..];
        if let Some(more) = after.strip_prefix('$') {
            parts.push(Part::Dollar);
            rest = more;
        } else if let Some((inside, more)) = closed.then(|| braced(after)).flatten() {
            let end = inside.find(|c: char| !is_name(c)).unwrap_or(inside.len());
            let (name, more_inside) = inside.split_at(end);
            let operator = [":-", ":+", ":?", "-", "+", "?"]
                .into_iter()
                .find(|operator| more_inside.starts_with(operator))
                .unwrap_or("");
            let word = &more_inside[operator.len().min(more_inside.len())..];
            parts.push(Part::Variable { name, operator, word });
            rest = more;
        } else {
            closed &= !after.starts_with('{');
            let end = after.find(|c: char| !is_name(c)).unwrap_or(after.len());
            let (name, more) = after.split_at(end);
            if name.is_empty() {
                parts.push(Part::Dollar);
            } else {
                parts.push(Part::Variable { name, operator: "", word: "" });
            }
            rest = more;
        }
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// What stands between these braces and the ones that close them.
fn braced(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('{')?;
    let mut depth = 0_usize;
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some((&inside[..at], &inside[at + 1..])),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A word in which the shell replaces variables and nothing else.
pub(super) fn for_shell(word: &str) -> String {
    let texts = parts(word).into_iter().map(|part| match part {
        Part::Text(text) => shell::quoted(text),
        Part::Dollar => "'$'".to_owned(),
        Part::Variable { name, operator, word } => {
            let escape = |c: char| if "\\\"`$}".contains(c) { vec!['\\', c] } else { vec![c] };
            let word: String = word.chars().flat_map(escape).collect();
            format!("\"${{{name}{operator}{word}}}\"")
        }
    });
    texts.collect::<Vec<_>>().concat()
}
