//! Values as they are written in a `tmo.toml`, and those that several tools write alike.

use std::collections::HashSet;

pub(super) use crate::config::toml::bare;
use crate::model::shell;
use crate::model::signal::SignalName;
use crate::model::units::{millis, of_seconds, parse_span, written_span};

/// A duration, as it is written here; a number without a unit is one of seconds.
pub(super) fn span(text: &str) -> Option<String> {
    Some(quoted(&written_span(span_ms(text)?)))
}

/// The same in milliseconds.
pub(super) fn span_ms(text: &str) -> Option<u64> {
    let seconds = text.parse().ok().and_then(of_seconds);
    seconds.or_else(|| parse_span(text)).map(millis)
}

/// A whole number, as it is written here.
pub(super) fn number(text: &str) -> Option<String> {
    Some(text.trim().parse::<u32>().ok()?.to_string())
}

/// How many failures in a row end it, from a number of restarts: the last failure is not followed by one.
pub(super) fn failures(restarts: &str) -> Option<String> {
    Some(restarts.trim().parse::<u32>().ok()?.saturating_add(1).to_string())
}

/// A signal, as it is written here.
pub(super) fn signal(text: &str) -> Option<String> {
    let signal: SignalName = text.parse().ok()?;
    Some(quoted(signal.to_string().trim_start_matches("SIG")))
}

/// A string.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A list of strings.
pub(super) fn list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let texts = texts.into_iter().map(|text| quoted(text.as_ref()));
    format!("[{}]", texts.collect::<Vec<_>>().join(", "))
}

/// A table on one line, of values that are already written so.
pub(super) fn table<K: AsRef<str>>(entries: &[(K, String)]) -> String {
    let entries = entries.iter().map(|(key, value)| format!("{} = {value}", bare(key.as_ref())));
    format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
}

/// The value that is written so.
pub(super) fn toml_value(text: &str) -> Option<toml::Value> {
    let table: toml::Table = toml::from_str(&format!("a = {text}")).ok()?;
    table.get("a").cloned()
}

/// The words of a command: joined for the shell if that means the same, else as a list.
pub(super) fn command_words(words: &[String]) -> String {
    if words.iter().all(|word| shell::quoted(word) == *word) {
        quoted(&words.join(" "))
    } else {
        list(words)
    }
}

/// Dependencies: processes and what each must have reached.
pub(super) fn depends_on(needs: &[(String, &'static str)]) -> String {
    let mut seen = HashSet::new();
    let needs: Vec<_> = needs.iter().filter(|(name, _)| seen.insert(name)).collect();
    if needs.iter().all(|(_, condition)| *condition == "ready") {
        return list(needs.iter().map(|(name, _)| name));
    }
    table(&needs.iter().map(|(name, condition)| (name, quoted(condition))).collect::<Vec<_>>())
}
