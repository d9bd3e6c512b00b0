//! What tmo itself saw or did: of this it is sure.

use super::{Findings, clue, comes_from_outside, last_lines, quoted};
use crate::crash::cause::Kind;
use crate::crash::evidence::{Evidence, Trigger};
use crate::model::Exit;
use crate::model::rules::{Probe, Text};
use crate::model::units::limit;

/// More certain than anything that was printed.
const SURE: i32 = 100;

pub(super) fn find(found: &mut Findings<'_>) {
    let evidence = found.evidence;
    let Some(trigger) = &evidence.facts.trigger else { return };
    let name = quoted(evidence.name.as_str());
    let mut shown = None;
    let (kind, text, next) = match trigger {
        Trigger::StoppedWith { first, exit } => (
            Kind::StoppedWithOther,
            format!("tmo stopped it because {first} {}", ended(*exit)),
            format!("tmo why {}", quoted(first.as_str())),
        ),
        Trigger::Asked => (
            Kind::StoppedByRequest,
            "somebody had tmo stop it".to_owned(),
            format!("tmo start {name}"),
        ),
        Trigger::FailurePattern { pattern, line } => {
            shown = Some(clue(line));
            (
                Kind::FailurePattern,
                format!("it printed {}, which counts as a failure", pattern_words(pattern)),
                format!("tmo logs {name} --around {}", quoted(&expression(pattern))),
            )
        }
        Trigger::NotLive { probe, failures } => (
            Kind::NotLive,
            format!("it did not answer any more, {failures} times in a row: {}", missing(probe)),
            try_probe(probe).unwrap_or_else(|| format!("tmo logs {name}")),
        ),
        Trigger::Failed { kind, text } => (*kind, text.clone(), last_lines(evidence)),
    };
    found.add(SURE, kind, text, next).evidence = shown;
}

/// Whether tmo has ended it, and not something of its own.
pub(super) fn ended_by_tmo(evidence: &Evidence) -> bool {
    evidence.facts.trigger.is_some() && comes_from_outside(evidence)
}

/// How a process ended, as the end of a sentence.
fn ended(exit: Exit) -> String {
    match exit {
        Exit::Code(_) => format!("exited with {exit}"),
        Exit::Signal(_) => format!("was killed by {exit}"),
    }
}

/// What a check has waited for in vain.
fn missing(probe: &Probe) -> String {
    match probe {
        Probe::Log(text) => format!("it has not printed {}", pattern_words(text)),
        Probe::Port { host, port, .. } => format!("nobody takes connections at {host}:{port}"),
        Probe::Http { url } => format!("{url} does not answer with success"),
        Probe::Exec { command } => {
            format!("`{}` does not end with 0", command.as_os_str().to_string_lossy())
        }
        Probe::Exit { code } => format!("it has not ended with code {code}"),
        Probe::Delay { ms } => format!("it has not run for {}", limit(*ms)),
    }
}

/// What a person types to see the same.
fn try_probe(probe: &Probe) -> Option<String> {
    match probe {
        Probe::Http { url } => Some(format!("curl -i {}", quoted(url))),
        Probe::Exec { command } => Some(command.as_os_str().to_string_lossy().into_owned()),
        Probe::Port { .. } | Probe::Log(_) | Probe::Exit { .. } | Probe::Delay { .. } => None,
    }
}

fn pattern_words(text: &Text) -> String {
    if text.regex {
        format!("what matches /{}/", text.pattern)
    } else {
        format!("`{}`", text.pattern)
    }
}

/// The same for `--around`, which takes an expression.
fn expression(text: &Text) -> String {
    let expression = if text.regex { text.pattern.clone() } else { regex::escape(&text.pattern) };
    if text.any_case { format!("(?i){expression}") } else { expression }
}
