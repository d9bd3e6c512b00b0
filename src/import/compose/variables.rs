//! Variables in the values of a compose file: `$NAME`, `${NAME:-default}`, and `$$` for a dollar.

use super::super::error::ImportError;
use super::super::node::{SourceNode, SourceValue};
use super::super::toml_text::quoted;
use super::super::values::of_words;
use super::super::write::env_quoted;
use crate::config::dotenv;
use crate::model::shell;

/// The names that a file of variables sets.
pub(super) fn known_variables(text: &str) -> Vec<String> {
    let parsed = dotenv::parse(text.as_bytes(), &|_| None).unwrap_or_default();
    parsed.into_iter().filter_map(|(name, _)| name.into_string().ok()).collect()
}

/// Replaces references to variables.
pub(super) struct References<'a> {
    /// Variables that `.env` sets, which tmo reads too.
    pub(super) known: &'a [String],
}

/// A part of a value.
enum Part<'a> {
    Text(&'a str),
    Dollar,
    Variable { name: &'a str, operator: &'a str, word: &'a str },
}

impl References<'_> {
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
        const DEEPEST_DEFAULT: u8 = 8;
        let (mut text, mut has_references) = (String::new(), false);
        for part in parts(value) {
            match part {
                Part::Text(part) => text.push_str(&plain(part)),
                Part::Dollar => text.push_str(&plain("$")),
                Part::Variable { name, operator, word } => {
                    let is_known = self.known.iter().any(|known| known == name);
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

fn parts(mut rest: &str) -> Vec<Part<'_>> {
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

/// The command of an entry point and its arguments, as it is written here; `None` if there is none.
///
/// compose runs words without a shell but replaces variables in them first: here the shell does that, and nothing else.
pub(super) fn command_text(
    entrypoint: Option<SourceNode>,
    command: Option<SourceNode>,
) -> Result<Option<String>, ImportError> {
    let mut words = vec![];
    for node in entrypoint.into_iter().chain(command) {
        let place = node.place.clone();
        if let SourceValue::Text(line) = node.value {
            let split = shell_words::split(&line);
            words.extend(split.map_err(|_| place.error("a quote in this command is not closed"))?);
        } else {
            words.extend(node.texts("command")?);
        }
    }
    if words.is_empty() {
        return Ok(None);
    }
    let is_variable = |part: &Part<'_>| matches!(part, Part::Variable { .. });
    if !words.iter().any(|word| parts(word).iter().any(is_variable)) {
        let words: Vec<String> = words.iter().map(|word| word.replace("$$", "$")).collect();
        return Ok(Some(of_words(&words)));
    }
    let words: Vec<String> = words.iter().map(|word| for_shell(word)).collect();
    Ok(Some(quoted(&words.join(" "))))
}

/// A word in which the shell replaces variables and nothing else.
fn for_shell(word: &str) -> String {
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
