//! Values that several tools write alike.

use std::collections::HashSet;

use super::node::SourcePlace;
use super::process::ImportedProcess;
use super::toml_text::{list, quoted, table};
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

/// The words of a command: joined for the shell if that means the same, else as a list.
pub(super) fn of_words(words: &[String]) -> String {
    if words.iter().all(|word| shell::quoted(word) == *word) {
        quoted(&words.join(" "))
    } else {
        list(words)
    }
}

/// How a tool stops a process.
#[derive(Debug, Default)]
pub(super) struct StopSettings {
    pub(super) command: Option<String>,
    /// As it is written here.
    pub(super) signal: Option<String>,
    /// As it is written here.
    pub(super) timeout: Option<String>,
}

impl StopSettings {
    pub(super) fn set(self, process: &mut ImportedProcess, place: &SourcePlace) {
        let command = self.command.map(|command| ("command", quoted(&command)));
        let signal = self.signal.map(|signal| ("signal", signal));
        let timeout = self.timeout.map(|timeout| ("timeout", timeout));
        let entries: Vec<_> = command.into_iter().chain(signal).chain(timeout).collect();
        if !entries.is_empty() {
            process.set("stop", table(&entries), place);
        }
    }
}

/// A policy, with more if there is more to say.
pub(super) fn restart(policy: &str, more: &[(&'static str, String)]) -> String {
    if more.is_empty() {
        return quoted(policy);
    }
    let mut entries = vec![("policy", quoted(policy))];
    entries.extend(more.iter().cloned());
    table(&entries)
}

/// Dependencies: processes and what each must have reached.
pub(super) fn depends_on(needs: &[(String, &'static str)]) -> String {
    let mut seen = HashSet::new();
    let needs: Vec<_> = needs.iter().filter(|(name, _)| seen.insert(name)).collect();
    if needs.iter().all(|(_, condition)| *condition == "ready") {
        return list(needs.iter().map(|(name, _)| name));
    }
    let entries: Vec<_> =
        needs.iter().map(|(name, condition)| (name.as_str(), quoted(condition))).collect();
    table(&entries)
}
