//! Values as they are written in a `tmo.toml`, and those that several tools write alike; and
//! paths as texts, relative to the directory of the source.

use std::collections::HashSet;

pub(super) use crate::config::toml::bare;
use crate::model::signal::SignalName;
use crate::model::text::shell;
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

pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

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

/// A path that is relative to a directory, relative to where that directory is.
pub(super) fn joined(dir: &str, path: &str) -> String {
    if path.starts_with(['/', '~', '$']) || path.contains("://") {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = vec![];
    for part in dir.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = if dir.starts_with('/') { "/" } else { "" };
    if parts.is_empty() && root.is_empty() {
        ".".to_owned()
    } else {
        root.to_owned() + &parts.join("/")
    }
}

pub(super) fn dir_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// A path as seen from a directory, both from the same one; it begins with a dot.
pub(super) fn relative(from: &str, to: &str) -> Option<String> {
    if to.starts_with(['/', '~']) {
        return Some(to.to_owned());
    }
    let is_part = |part: &&str| !part.is_empty() && *part != ".";
    let to: Vec<&str> = to.split('/').filter(is_part).collect();
    let is_elsewhere = from.starts_with(['/', '~']);
    let from: Vec<&str> = from.split('/').filter(is_part).collect();
    let shared = from.iter().zip(&to).take_while(|(from, to)| from == to).count();
    let up = from.get(shared..)?;
    if is_elsewhere || up.contains(&"..") {
        return None;
    }
    let first = if up.is_empty() { "." } else { ".." };
    let ups = up.iter().skip(1).map(|_| "..");
    let rest = to.iter().skip(shared).copied();
    Some(std::iter::once(first).chain(ups).chain(rest).collect::<Vec<_>>().join("/"))
}
