//! `failure_declarations.json`, beside the Procfile: texts that mean that a process has failed.
//!
//! ```json
//! { "web": ["Error: EADDRINUSE", "panic:"] }
//! ```
//!
//! Users and commands edit it; a reader sees it either before or after a change, never in between.

mod declare;
mod edit;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::error::ConfigError;
use super::procfile::Procfile;
use super::{Warning, unknown_processes};
use crate::model::ProcName;
use crate::model::limits::{LIST, PROCESSES};
use crate::model::name::check_length;
use crate::model::plan::rules::{FailureAction, FailurePattern, Text};
use crate::sys::files::{self, ChosenBy};

pub use declare::{Declarations, DeclareError, Declared};
pub use edit::{EditError, edit};

/// The name of the file.
pub const FILE: &str = "failure_declarations.json";

/// The texts that mean failure, by process, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failures {
    all: Vec<(String, Vec<String>)>,
    /// The index of each name in `all`, which may hold thousands.
    places: HashMap<String, usize>,
}

/// An invalid file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {why}")]
pub struct FailuresError {
    /// The file as the user would name it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong there.
    pub why: String,
}

/// A text that no line or every line contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    #[error("an empty text is in every line; say what to look for")]
    Empty,
    /// The process has too many already.
    #[error("a process may have {LIST} declared texts at most")]
    Many,
    /// It has control characters.
    #[error(
        "a text with a line break or another control character is in no line; give a part of \
         one line, without colours"
    )]
    Control,
}

impl Failures {
    /// Read the file at `path`, which is `shown` in messages; a missing file is empty.
    pub fn load(path: &Path, shown: &Path) -> Result<Self, ConfigError> {
        let text = files::if_there(files::read_project(path, ChosenBy::Project))
            .map_err(|source| ConfigError::Read { path: shown.to_owned(), source })?;
        Ok(Self::parse(&text.unwrap_or_default(), &shown.display().to_string())?)
    }

    /// Parse the content of the file; `file` is its name for messages.
    pub fn parse(text: &[u8], file: &str) -> Result<Self, FailuresError> {
        // An empty file is equivalent to a missing one.
        if text.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(text).map_err(|error| {
            // serde reports column 0 before the first character of a line.
            let (line, column) = (error.line(), error.column().max(1));
            let why = error.to_string();
            // The place is already at the front of the message.
            let why = why.split(" at line ").next().unwrap_or_default().to_owned();
            FailuresError { file: file.to_owned(), line, column, why }
        })
    }

    /// The content of the file.
    pub fn to_json(&self) -> String {
        // Everything in it can be represented in JSON.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The processes, with their texts.
    pub fn all(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.all.iter().map(|(name, texts)| (name.as_str(), texts.as_slice()))
    }

    /// The texts of a process.
    pub fn texts_of(&self, name: &str) -> &[String] {
        self.places.get(name).map_or(&[], |at| &self.all[*at].1)
    }

    /// The declarations of this process, or of all.
    #[must_use]
    pub fn only(&self, name: Option<&str>) -> Self {
        let wanted = |known: &str| name.is_none_or(|name| name == known);
        Self::new(self.all.iter().filter(|(known, _)| wanted(known)).cloned().collect())
    }

    /// The patterns of an instance: those of its entry, and its own.
    pub fn patterns(&self, name: &ProcName) -> Vec<FailurePattern> {
        let of_entry = self.texts_of(name.entry());
        let own = if name.as_str() == name.entry() { &[] } else { self.texts_of(name.as_str()) };
        of_entry.iter().chain(own).map(|text| pattern(text)).collect()
    }

    /// Append the declared patterns of a process to those that it has of its own.
    #[must_use]
    pub fn behind(&self, mut own: Vec<FailurePattern>, name: &ProcName) -> Vec<FailurePattern> {
        let patterns = self.patterns(name);
        let mut known: HashSet<FailurePattern> = own.iter().cloned().collect();
        own.extend(patterns.into_iter().filter(|pattern| known.insert(pattern.clone())));
        own
    }

    /// Declare a text; `false` if it was declared already.
    pub fn add(&mut self, name: &str, text: &str) -> Result<bool, BadText> {
        check(text)?;
        let at = self.place(name);
        let is_new = !self.all[at].1.iter().any(|known| known == text);
        if is_new {
            self.push(at, text.to_owned())?;
        }
        Ok(is_new)
    }

    fn new(all: Vec<(String, Vec<String>)>) -> Self {
        let places = all.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
        Self { all, places }
    }

    /// The index of this name; a new one is appended.
    fn place(&mut self, name: &str) -> usize {
        if let Some(at) = self.places.get(name) {
            return *at;
        }
        let at = self.all.len();
        self.all.push((name.to_owned(), vec![]));
        self.places.insert(name.to_owned(), at);
        at
    }

    /// Add a text that is known to be absent.
    fn push(&mut self, at: usize, text: String) -> Result<(), BadText> {
        let texts = &mut self.all[at].1;
        if texts.len() == LIST {
            return Err(BadText::Many);
        }
        texts.push(text);
        Ok(())
    }

    /// Remove a declared text; `false` if it was absent.
    pub fn remove(&mut self, name: &str, text: &str) -> bool {
        let Some(&at) = self.places.get(name) else { return false };
        let texts = &mut self.all[at].1;
        let before = texts.len();
        texts.retain(|known| known != text);
        let found = texts.len() < before;
        if found && texts.is_empty() {
            // A name without texts is useless.
            self.all.remove(at);
            *self = Self::new(std::mem::take(&mut self.all));
        }
        found
    }

    /// Warnings about names that no entry of the Procfile has.
    pub fn warnings(&self, procfile: &Procfile) -> Vec<Warning> {
        let names = || procfile.entries.iter().map(|entry| entry.name.as_str());
        let known: HashSet<&str> = names().collect();
        let entry = |name: &str| name.split('#').next().unwrap_or_default().to_owned();
        let unknown = self.all.iter().filter(|(name, _)| !known.contains(entry(name).as_str()));
        let unknown = unknown.map(|(name, _)| (FILE.to_owned(), name.as_str()));
        unknown_processes(unknown, &names().collect::<Vec<_>>())
    }
}

/// The pattern for a text that means failure, anywhere in a line, in upper or lower case.
pub fn pattern(text: &str) -> FailurePattern {
    let text = Text { pattern: text.to_owned(), regex: false, any_case: true };
    FailurePattern { text, action: FailureAction::Break }
}

fn check(text: &str) -> Result<(), BadText> {
    if text.trim().is_empty() {
        return Err(BadText::Empty);
    }
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(BadText::Control);
    }
    Ok(())
}

impl Serialize for Failures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.all())
    }
}

impl<'de> Deserialize<'de> for Failures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

/// An object whose names keep their order.
struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Failures;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an object with a list of texts for each process, as in {\"web\": [\"panic:\"]}",
        )
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Failures, A::Error> {
        let mut failures = Failures::default();
        let mut known: HashSet<(usize, String)> = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            check_length(&name).map_err(de::Error::custom)?;
            let at = failures.place(&name);
            if at == PROCESSES {
                let text = format!("declarations for {PROCESSES} processes at most are possible");
                return Err(de::Error::custom(text));
            }
            for text in map.next_value::<Vec<String>>()? {
                check(&text).map_err(de::Error::custom)?;
                if known.insert((at, text.clone())) {
                    failures.push(at, text).map_err(de::Error::custom)?;
                }
            }
        }
        Ok(failures)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BadText, Failures};
    use crate::config::procfile;
    use crate::model::ProcName;

    fn parse(text: &str) -> Result<Failures, String> {
        Failures::parse(text.as_bytes(), "./f.json").map_err(|error| error.to_string())
    }

    #[test]
    fn texts_are_read_in_their_order_and_once() {
        let text = r#"{"web": ["b", "a", "b"], "db": [], "api": ["x"], "web": ["c"]}"#;
        let failures = parse(text).unwrap();
        assert_eq!(failures.texts_of("web"), ["b", "a", "c"]);
        let names: Vec<&str> = failures.all().map(|(name, _)| name).collect();
        assert_eq!(names, ["web", "db", "api"]);
        assert_eq!(parse(" \n").unwrap(), Failures::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let table = [
            ("{\"web\": [\"a\",]}", "./f.json:1:14: trailing comma"),
            ("{\n  \"web\": [1]\n}", "./f.json:2:11: invalid type: integer `1`, expected a string"),
            ("{\"web\": \"a\"}", "./f.json:1:11: invalid type: string \"a\", expected a sequence"),
            ("{\n", "./f.json:2:1: EOF while parsing an object"),
            (
                "[1]",
                "./f.json:1:1: invalid type: sequence, expected an object with a list of texts for \
                 each process, as in {\"web\": [\"panic:\"]}",
            ),
            ("{\"web\": [\"a\"", "./f.json:1:12: EOF while parsing a list"),
            (
                "{\"web\": [\"\"]}",
                "./f.json:1:13: an empty text is in every line; say what to look for",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).unwrap_err(), expected);
        }
        let error = parse("[]").unwrap_err();
        assert!(error.contains(":1:") && error.contains("an object with a list"), "{error}");
    }

    #[test]
    fn an_instance_has_the_texts_of_its_entry() {
        let failures = parse(r#"{"web": ["a"], "web#2": ["b"]}"#).unwrap();
        let texts = |name: &str| {
            let patterns = failures.patterns(&ProcName::new(name).unwrap());
            patterns.into_iter().map(|one| one.text.pattern).collect::<Vec<_>>()
        };
        assert_eq!(texts("web"), ["a"]);
        assert_eq!(texts("web#2"), ["a", "b"]);
        assert_eq!(texts("db"), <[&str; 0]>::default());
    }

    #[test]
    fn unknown_names_are_only_warned_of() {
        let procfile = procfile::parse(b"web: x\ndb: y\n", "Procfile").unwrap();
        let failures = parse(r#"{"wbe": ["a"], "web#2": ["b"], "db": ["c"]}"#).unwrap();
        let warnings = failures.warnings(&procfile);
        assert_eq!(warnings.len(), 1);
        assert_eq!(
            warnings[0].to_string(),
            "failure_declarations.json names `wbe`, which the Procfile does not have; did you \
             mean `web`?"
        );
    }

    #[test]
    fn texts_are_added_and_removed() {
        let mut failures = Failures::default();
        assert_eq!(failures.add("web", "a"), Ok(true));
        assert_eq!(failures.add("web", "a"), Ok(false));
        assert_eq!(failures.add("web", "a\nb"), Err(BadText::Control));
        assert_eq!(failures.add("web", " "), Err(BadText::Empty));
        assert!(!failures.remove("web", "b") && !failures.remove("db", "a"));
        assert_eq!(failures.to_json(), "{\n  \"web\": [\n    \"a\"\n  ]\n}\n");
        assert!(failures.remove("web", "a"));
        assert_eq!(failures.to_json(), "{}\n");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            texts in prop::collection::vec(("[a-c]", "[\"\\\\é x]{1,4}y"), 0..8),
        ) {
            let mut failures = Failures::default();
            for (name, text) in &texts {
                failures.add(name, text).unwrap();
            }
            prop_assert_eq!(parse(&failures.to_json()).unwrap(), failures);
        }
    }
}
