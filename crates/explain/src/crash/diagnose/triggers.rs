//! What tmo itself saw or did, which is certain.

use super::{Findings, clue, comes_from_outside, last_lines, quoted};
use crate::crash::cause::CauseKind;
use crate::crash::evidence::{Evidence, Trigger};
use crate::model::plan::rules::Text;
use crate::model::units::in_a_row;

/// Higher than the score of any output.
pub(super) const SURE: i32 = 100;

pub(super) fn add_causes(found: &mut Findings<'_>) {
    let evidence = found.evidence;
    let Some(trigger) = &evidence.facts.trigger else { return };
    let name = quoted(evidence.name.as_str());
    let mut shown = None;
    let (kind, text, next) = match trigger {
        Trigger::StoppedWith { first, exit } => (
            CauseKind::StoppedWithOther,
            format!("tmo stopped it because {first} {} {exit}", exit.verb()),
            format!("tmo why {}", quoted(first.as_str())),
        ),
        Trigger::Asked => (
            CauseKind::StoppedByRequest,
            "it was stopped by a command of tmo".to_owned(),
            format!("tmo start {name}"),
        ),
        Trigger::FailurePattern { pattern, line } => {
            shown = Some(clue(line));
            (
                CauseKind::FailurePattern,
                format!("it printed {pattern}, which counts as a failure"),
                format!("tmo logs {name} --around {}", quoted(&expression(pattern))),
            )
        }
        Trigger::NotLive { probe, failures, answer } => (
            CauseKind::NotLive,
            format!("its liveness check failed {}: {answer}", in_a_row(*failures)),
            probe.by_hand().unwrap_or_else(|| format!("tmo logs {name}")),
        ),
        Trigger::Failed { kind, text } => (*kind, text.clone(), last_lines(evidence)),
    };
    found.add(SURE, kind, text, next).evidence = shown;
}

/// Whether tmo ended the process.
pub(super) fn ended_by_tmo(evidence: &Evidence) -> bool {
    evidence.facts.trigger.is_some() && comes_from_outside(evidence)
}

/// The pattern as an argument of `--around`, which takes a regular expression.
fn expression(text: &Text) -> String {
    let expression = if text.regex { text.pattern.clone() } else { regex::escape(&text.pattern) };
    if text.any_case { format!("(?i){expression}") } else { expression }
}
