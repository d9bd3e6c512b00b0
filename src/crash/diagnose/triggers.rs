//! What tmo itself saw or did: of this it is sure.

use super::{Findings, clue, quoted};
use crate::crash::cause::{Clue, Kind};
use crate::crash::evidence::{Evidence, Trigger};
use crate::model::Exit;
use crate::model::rules::{Milestone, Probe, Text};
use crate::model::units::limit;

/// More certain than anything that was printed.
const SURE: i32 = 100;

pub(super) fn find(found: &mut Findings<'_>) {
    let name = &found.evidence.name;
    let Some(trigger) = &found.evidence.facts.trigger else { return };
    let (kind, text, evidence, next): (_, _, Option<Clue>, _) = match trigger {
        Trigger::StoppedWith { first, exit } => (
            Kind::StoppedWithOther,
            format!("tmo stopped it because {first} {}", ended(*exit)),
            None,
            format!("tmo why {}", quoted(first.as_str())),
        ),
        Trigger::Asked => (
            Kind::StoppedByRequest,
            "somebody had tmo stop it".to_owned(),
            None,
            format!("tmo start {}", quoted(name.as_str())),
        ),
        Trigger::FailurePattern { pattern, line } => (
            Kind::FailurePattern,
            format!("it printed {}, which counts as a failure", pattern_words(pattern)),
            Some(clue(line)),
            format!("tmo logs {} --around {}", quoted(name.as_str()), quoted(&expression(pattern))),
        ),
        Trigger::NotReady { check, after_ms } => (
            Kind::ReadinessTimedOut,
            format!("it was not ready after {}: {}", limit(*after_ms), missing(check)),
            None,
            try_probe(check).unwrap_or_else(|| format!("tmo logs {}", quoted(name.as_str()))),
        ),
        Trigger::NotLive { probe, failures } => (
            Kind::NotLive,
            format!("it did not answer any more, {failures} times in a row: {}", missing(probe)),
            None,
            try_probe(probe).unwrap_or_else(|| format!("tmo logs {}", quoted(name.as_str()))),
        ),
        Trigger::Failed { kind, text } => {
            (*kind, text.clone(), None, format!("tmo logs {} -n 100", quoted(name.as_str())))
        }
        Trigger::Dependency { on, until, check } => {
            let still =
                check.as_ref().map_or(String::new(), |check| format!(": {}", missing(check)));
            (
                Kind::DependencyNotReady,
                format!("{on}, which it needs, {}{still}", not_yet(*until)),
                None,
                format!("tmo why {}", quoted(on.as_str())),
            )
        }
    };
    found.add(SURE, kind, text, Some(next));
    if let Some(last) = found.all.last_mut() {
        last.cause.evidence = evidence;
    }
}

/// Whether tmo has ended it, and not something of its own.
pub(super) fn ended_by_tmo(evidence: &Evidence) -> bool {
    let stopped = evidence.facts.trigger.as_ref().is_some_and(|trigger| match trigger {
        Trigger::StoppedWith { .. }
        | Trigger::Asked
        | Trigger::FailurePattern { .. }
        | Trigger::NotLive { .. }
        | Trigger::Failed { .. } => true,
        Trigger::NotReady { .. } | Trigger::Dependency { .. } => false,
    });
    stopped && super::comes_from_outside(evidence)
}

/// How a process ended, as the end of a sentence.
pub(super) fn ended(exit: Exit) -> String {
    match exit {
        Exit::Code(_) => format!("exited with {exit}"),
        Exit::Signal(_) => format!("was killed by {exit}"),
    }
}

const fn not_yet(until: Milestone) -> &'static str {
    match until {
        Milestone::Started => "does not run",
        Milestone::Ready => "is not ready",
        Milestone::Completed => "has not ended with success",
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
