//! Variables in values of compose and process-compose: `$NAME`, `${NAME:-default}`, and `$$` for a dollar.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use super::files::SourceFiles;
use super::format::ImportError;
use super::node::{DEEPEST, SourceNode, SourcePlace, Variable};
use super::process::{Imported, ImportedProcess, LeftOut};
use super::values::{command_words, quoted};
use super::write::env_quoted;
use crate::config::dotenv;
use crate::model::text::shell;

/// Replaces references to variables.
#[derive(Debug, Clone, Default)]
pub(super) struct References {
    /// What `.env` sets, which tmo reads too.
    known: HashMap<String, String>,
    /// How much has been put in place of variables.
    replaced: Cell<usize>,
}

/// The most bytes that are put in place of variables: a variable may stand in a source many times.
const MOST_REPLACED: usize = 1 << 20;
/// Keys whose values keep their variables.
const STAY: [&str; 4] = ["environment", "command", "entrypoint", "test"];

/// A part of a value.
pub(super) enum Part<'a> {
    Text(&'a str),
    Dollar,
    Variable { name: &'a str, operator: &'a str, word: &'a str },
}

/// Which references stay as they are.
#[derive(Clone, Copy)]
pub(super) enum Keep<'a> {
    /// Those that neither `.env` nor a default gives a value.
    Unknown,
    /// Those to what `.env` sets, too, if a file of variables can hold them.
    Set,
    /// All but those to these variables.
    AllBut(&'a dyn Fn(&str) -> bool),
}

impl References {
    /// Those that `.env` gives a value; lines of it that can't be read are left out.
    pub(super) fn of_env_file(
        files: &mut SourceFiles,
        imported: &mut Imported,
    ) -> Result<Self, ImportError> {
        let Some(file) = files.other(".env")? else { return Ok(Self::default()) };
        let text = EnvText::new(&file.text);
        let references = Self::new(text.variables.clone());
        text.mend(&file.name, imported);
        Ok(references)
    }

    /// Those that these variables give a value.
    pub(super) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { known: variables.into_iter().collect(), replaced: Cell::default() }
    }

    /// The value of a variable.
    pub(super) fn known(&self, name: &str) -> Option<&str> {
        self.known.get(name).map(String::as_str)
    }

    /// A value with the variables replaced that `.env` or a default gives; others stay.
    pub(super) fn value(&self, text: &str) -> String {
        plain(&self.expanded(text, Keep::Unknown))
    }

    /// The same, written as in the source, with `$$` for a dollar.
    pub(super) fn expanded(&self, text: &str, keep: Keep<'_>) -> String {
        self.expanded_at(text, keep, 0)
    }

    fn expanded_at(&self, text: &str, keep: Keep<'_>, depth: usize) -> String {
        let texts = parts(text).into_iter().map(|part| match part {
            Part::Text(text) => text.to_owned(),
            Part::Dollar => "$$".to_owned(),
            Part::Variable { name, operator, word } => {
                if matches!(keep, Keep::AllBut(is_replaced) if !is_replaced(name)) {
                    return format!("${{{name}{operator}{word}}}");
                }
                let may_be_empty = !operator.starts_with(':');
                let known = self.known.get(name);
                let is_set = known.is_some_and(|value| may_be_empty || !value.is_empty());
                match (operator.trim_start_matches(':'), known) {
                    ("-", _) if !is_set => self.word(word, keep, depth),
                    ("+", _) if is_set => self.word(word, keep, depth),
                    ("+", _) => String::new(),
                    (_, Some(known))
                        if !(matches!(keep, Keep::Set) && is_in_files(name))
                            && self.has_room(known) =>
                    {
                        escaped(known)
                    }
                    // Who reads the result sees what is missing.
                    _ => format!("${{{name}}}"),
                }
            }
        });
        texts.collect::<Vec<_>>().concat()
    }

    fn has_room(&self, value: &str) -> bool {
        self.replaced.set(self.replaced.get().saturating_add(value.len()));
        self.replaced.get() <= MOST_REPLACED
    }

    fn word(&self, word: &str, keep: Keep<'_>, depth: usize) -> String {
        if depth < DEEPEST { self.expanded_at(word, keep, depth + 1) } else { String::new() }
    }

    /// Replace the variables in a tree, except where they can stay variables: in environments and commands.
    pub(super) fn resolve(&self, node: &mut SourceNode) {
        node.edit(&|key| !STAY.contains(&key), &mut |text, _| *text = self.value(text));
    }

    /// The same, with the texts still written as in the source.
    pub(super) fn expand(&self, node: &mut SourceNode) {
        let edit =
            &mut |text: &mut String, _: &SourcePlace| *text = self.expanded(text, Keep::Unknown);
        node.edit(&|key| !STAY.contains(&key), edit);
    }

    /// Give a process a variable in which others may be named.
    pub(super) fn set_variable(&self, process: &mut ImportedProcess, mut variable: Variable) {
        let Some(value) = variable.value.take() else { return };
        let text = self.expanded(&value, Keep::Set);
        let names = || parts(&text).into_iter().filter_map(Part::variable);
        // Only a number can be a port.
        if variable.name == "PORT" || names().next().is_none() {
            variable.value = Some(self.value(&value));
            return process.set_variable(variable, false);
        }
        if let Some(name) = names().find(|name| !is_in_files(name)) {
            let why = format!(
                "${name} has no value here, and in env files names of variables are in capitals"
            );
            return process.leave(&variable.place, format!("environment.{}", variable.name), why);
        }
        variable.value = Some(for_file(&text));
        process.set_variable(variable, true);
    }
}

impl<'a> Part<'a> {
    /// The name of a variable.
    pub(super) fn variable(self) -> Option<&'a str> {
        match self {
            Self::Variable { name, .. } => Some(name),
            Self::Text(_) | Self::Dollar => None,
        }
    }
}

/// An env file, without the lines that can't be read.
#[derive(Debug, Default)]
pub(super) struct EnvText {
    pub(super) variables: Vec<(String, String)>,
    /// Its mistakes, with their lines.
    pub(super) mistakes: Vec<(usize, String)>,
}

impl EnvText {
    pub(super) fn new(text: &str) -> Self {
        let mut lines: Vec<&str> = text.lines().collect();
        let mut mistakes = vec![];
        loop {
            let error = match dotenv::parse(lines.join("\n").as_bytes(), &|_| None) {
                Err(error) if !lines.is_empty() => error,
                read => {
                    let variables =
                        read.unwrap_or_default().into_iter().filter_map(|(name, value)| {
                            Some((name.into_string().ok()?, value.into_string().ok()?))
                        });
                    return Self { variables: variables.collect(), mistakes };
                }
            };
            let (line, text) = (error.line(), error.to_string());
            let why = text.split_once(": ").map_or(&*text, |(_, why)| why).to_owned();
            mistakes.push((line, why));
            if mistakes.len() < 20
                && let Some(line) = lines.get_mut(line.saturating_sub(1))
            {
                *line = "";
            } else {
                lines.truncate(line.saturating_sub(1));
            }
        }
    }

    /// One whose values are taken as they are.
    pub(super) fn raw(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let pairs = lines.filter_map(|line| line.split_once('='));
        let variables = pairs.map(|(name, value)| (name.trim().to_owned(), value.to_owned()));
        Self { variables: variables.collect(), mistakes: vec![] }
    }

    /// Name the mistakes of a `.env`, which tmo does not read then, and take over the rest of it.
    pub(super) fn mend(self, file: &Arc<str>, imported: &mut Imported) {
        if self.mistakes.is_empty() {
            return;
        }
        for (name, value) in self.variables {
            let place = SourcePlace::new(file, 1);
            imported.defaults.set_secret(Variable { name, value: Some(value), place });
        }
        let left = self.mistakes.into_iter().map(|(line, why)| LeftOut {
            place: SourcePlace::new(file, line),
            what: why,
            why: "tmo reads no env file with such a line; the others are in .env.imported"
                .to_owned(),
        });
        imported.left.extend(left);
    }
}

/// Whether a text refers to a variable.
pub(super) fn has_variable(text: &str) -> bool {
    parts(text).into_iter().any(|part| part.variable().is_some())
}

/// A text with its variables and dollars as in other files.
pub(super) fn plain(text: &str) -> String {
    rewritten(text, "$", str::to_owned)
}

/// A text with its variables as most files refer to them, and with dollars and the rest so.
fn rewritten(text: &str, dollar: &str, write: impl Fn(&str) -> String) -> String {
    let texts = parts(text).into_iter().map(|part| match part {
        Part::Text(text) => write(text),
        Part::Dollar => dollar.to_owned(),
        Part::Variable { name, .. } => format!("${{{name}}}"),
    });
    texts.collect::<Vec<_>>().concat()
}

/// A text without variables, as the source writes it.
pub(super) fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

/// The inside of a quoted text of an env file, which refers to the same variables.
pub(super) fn for_file(text: &str) -> String {
    rewritten(text, "\\$", |text| {
        let quoted = env_quoted(text);
        quoted[1..quoted.len() - 1].to_owned()
    })
}

/// Whether tmo replaces this variable in env files.
fn is_in_files(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
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

/// A command of these words, as it is written here: the shell replaces the variables in them, and nothing else.
pub(super) fn shell_command(words: &[String]) -> String {
    if words.iter().any(|word| has_variable(word)) {
        let words: Vec<String> = words.iter().map(|word| for_shell(word)).collect();
        return quoted(&words.join(" "));
    }
    let words: Vec<String> = words.iter().map(|word| plain(word)).collect();
    command_words(&words)
}

/// A word in which the shell replaces variables and nothing else.
pub(super) fn for_shell(word: &str) -> String {
    let (mut result, mut literal) = (String::new(), String::new());
    for part in parts(word) {
        match part {
            Part::Text(text) => literal.push_str(text),
            Part::Dollar => literal.push('$'),
            Part::Variable { name, operator, word } => {
                if !literal.is_empty() {
                    result.push_str(&shell::quoted(&std::mem::take(&mut literal)));
                }
                let escape = |c: char| if "\\\"`$}".contains(c) { vec!['\\', c] } else { vec![c] };
                let word: String = word.chars().flat_map(escape).collect();
                result.extend(["\"${", name, operator, &word, "}\""]);
            }
        }
    }
    if !literal.is_empty() || result.is_empty() {
        result.push_str(&shell::quoted(&literal));
    }
    result
}
