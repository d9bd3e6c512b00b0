//! Derives the causes of an end from the evidence.
//!
//! Each part looks for causes of its own kinds and gives each a score: how well it explains the
//! end. The priorities, in descending order: what tmo itself saw or did, information from the
//! operating system, the output of the process; and later output before earlier output.

mod exits;
mod logged;
mod memory;
mod missing;
mod packages;
mod ports;
mod refused;
mod shell;
#[cfg(test)]
mod tests;
mod tools;
mod traces;
mod triggers;

use std::ops::RangeInclusive;
use std::time::Duration;

use super::cause::{Cause, CauseKind, Certainty, Clue};
use super::evidence::{Evidence, OutputLine};
use super::expr::Expr;
use crate::model::text::shell::quoted;
use crate::model::time::Timestamp;
use crate::model::{ProcName, text};

pub use ports::{at_start, number, ports_named};
pub use refused::{needed, port_of, refused_by};

/// The maximum number of causes; more would not be useful.
const MOST_CAUSES: usize = 6;
/// The maximum length of quoted evidence, in characters.
const LONGEST_QUOTE: usize = 300;

/// The lowest scores at which a cause is certain, and at which it is likely.
const CERTAIN: i32 = 90;
const LIKELY: i32 = 55;

/// How much the score of a printed cause is reduced if the process was ended from outside, or did
/// not fail.
const ELSEWHERE: i32 = 25;

/// A line that precedes an exception by this many lines, or by this much time, has not led to it.
const APART: usize = 10;
const APART_TIME: Duration = Duration::from_secs(5);
/// The end of a process is written into its output only after what it left behind was sent the stop signal, whose
/// reaction may therefore stand this long before it.
const AT_ONCE: Duration = Duration::from_millis(200);

/// The causes of an end, the most certain first.
pub fn diagnose(evidence: &Evidence) -> Vec<Cause> {
    let mut found = Findings { evidence, all: vec![], trails: vec![] };
    triggers::add_causes(&mut found);
    shell::add_causes(&mut found);
    tools::add_causes(&mut found);
    exits::add_causes(&mut found);
    memory::add_causes(&mut found);
    ports::add_causes(&mut found);
    missing::add_causes(&mut found);
    refused::add_causes(&mut found);
    traces::add_causes(&mut found);
    logged::add_causes(&mut found);
    found.ranked()
}

/// The findings of all parts. The certainty of each follows from its score in the end.
struct Findings<'e> {
    evidence: &'e Evidence,
    all: Vec<Finding>,
    /// The line ranges of exceptions with everything that belongs to them.
    trails: Vec<RangeInclusive<usize>>,
}

struct Finding {
    /// How well it explains the end, up to 100.
    score: i32,
    /// The line that is the evidence.
    line: Option<usize>,
    cause: Cause,
}

/// A program's reaction to being stopped.
static INTERRUPTED: Expr =
    Expr::new(r"^(?:KeyboardInterrupt|Interrupt|SignalException|SystemExit)\b|\bSIG(?:INT|TERM)\b");

impl Finding {
    /// Whether another finding is only the line that tmo ended the process for.
    fn is_repeated_by(&self, other: &Self) -> bool {
        let clue = |finding: &Self| Some(finding.cause.evidence.as_ref()?.text.clone());
        let Some(line) = clue(other).filter(|_| self.score >= triggers::SURE) else { return false };
        let is_quoted = line.len() > 3 && self.cause.text.contains(&format!("`{line}`"));
        is_quoted || clue(self).as_ref() == Some(&line)
    }
}

impl<'e> Findings<'e> {
    fn lines(&self) -> &'e [OutputLine] {
        &self.evidence.lines
    }

    /// The last line in which this expression matches: its number and text.
    fn last(&self, expr: &Expr) -> Option<(usize, &'e str)> {
        let lines = self.lines().iter().enumerate().rev();
        lines.map(|(at, line)| (at, line.text.as_str())).find(|(_, text)| expr.finds(text))
    }

    /// The same, with the first group that took part in the match.
    fn last_group(&self, expr: &Expr) -> Option<(usize, &'e str, &'e str)> {
        let (at, line) = self.last(expr)?;
        Some((at, line, expr.group(line)?))
    }

    /// Add a cause whose evidence is not in the log.
    fn add(&mut self, score: i32, kind: CauseKind, text: String, next: String) -> &mut Cause {
        self.put(Finding { score, line: None, cause: Cause::certain(kind, text, Some(next)) })
    }

    /// Add a cause whose evidence is a line. The longer before the end it was printed, the lower
    /// its score.
    fn add_line(&mut self, score: i32, at: usize, kind: CauseKind, text: String) -> &mut Cause {
        let behind = self.lines().len().saturating_sub(at + 1);
        // One point less for each second.
        let last = self.lines().len().saturating_sub(1);
        let seconds = time_between(self.lines(), at, last).as_secs();
        let seconds = usize::try_from(seconds).unwrap_or(usize::MAX);
        let age = i32::try_from((behind / 3).saturating_add(seconds)).unwrap_or(i32::MAX).min(30);
        let elsewhere = if comes_from_outside(self.evidence) { ELSEWHERE } else { 0 };
        let evidence = self.lines().get(at).map(clue);
        let cause = Cause { evidence, ..Cause::certain(kind, text, None) };
        self.put(Finding { score: score - age - elsewhere, line: Some(at), cause })
    }

    /// Output from long before the last exception did not end the process, since the exception came
    /// later: for example an exception that was handled, or a connection that succeeded later.
    fn weaken_what_was_survived(&mut self) {
        let Some(last) = self.trails.iter().max_by_key(|trail| *trail.end()) else { return };
        let begin = *last.start();
        let fatal =
            self.all.iter().filter(|finding| finding.line.is_some_and(|line| last.contains(&line)));
        let Some(most) = fatal.map(|finding| finding.score).max() else { return };
        let lines = self.lines();
        let survived = |line: usize| {
            line + APART < begin || line < begin && time_between(lines, line, begin) > APART_TIME
        };
        for old in self.all.iter_mut().filter(|finding| finding.line.is_some_and(survived)) {
            old.score = old.score.min(most - 1);
        }
    }

    fn put(&mut self, finding: Finding) -> &mut Cause {
        let at = self.all.len();
        self.all.push(finding);
        &mut self.all[at].cause
    }

    /// Sort the causes. Two causes with the same line as evidence are merged: the one with the
    /// higher score, with the place of the other.
    fn ranked(mut self) -> Vec<Cause> {
        self.weaken_what_was_survived();
        // A line within an exception that looks like an error is not a separate cause.
        self.all.retain(|finding| {
            let part = |line| self.trails.iter().any(|trail| trail.contains(&line));
            let logged =
                finding.cause.kind == CauseKind::LoggedError && finding.cause.place.is_none();
            !(logged && finding.line.is_some_and(part))
        });
        let Evidence { lines, facts, .. } = self.evidence;
        let end = facts.end.filter(|_| comes_from_outside(self.evidence));
        let is_reaction = |finding: &Finding| {
            (facts.trigger.is_some() || {
                let printed = finding.line.map(|line| lines[line].time);
                end.zip(printed).is_some_and(|(end, time)| time >= end - AT_ONCE)
            }) && finding.score < triggers::SURE
                && INTERRUPTED.finds(&finding.cause.text)
        };
        self.all.retain(|finding| !is_reaction(finding));
        self.all.sort_by_key(|finding| std::cmp::Reverse(finding.score));
        let mut kept: Vec<Finding> = vec![];
        for mut finding in self.all {
            finding.cause.certainty = certainty(finding.score);
            match kept.iter_mut().find(|other| {
                finding.line.is_some() && other.line == finding.line
                    || other.is_repeated_by(&finding)
                    || other.cause.kind == finding.cause.kind
                        && other.cause.text == finding.cause.text
            }) {
                Some(other) if other.cause.place.is_none() => {
                    other.cause.place = finding.cause.place;
                    other.cause.next = other.cause.next.take().or(finding.cause.next);
                }
                Some(_) => {}
                None => kept.push(finding),
            }
        }
        // The exit is shown elsewhere anyway: it counts as a cause only if there is no other.
        if kept.len() > 1 {
            kept.retain(|finding| finding.cause.kind != CauseKind::ExitCode);
        }
        // A signal that tmo sent, or an end that tmo caused, does not explain anything more.
        if triggers::ended_by_tmo(self.evidence) {
            let ours = |kind| matches!(kind, CauseKind::Signal | CauseKind::EndedEarly);
            kept.retain(|finding| !ours(finding.cause.kind));
        }
        if let Some(first) = kept.first_mut().filter(|first| first.cause.next.is_none()) {
            first.cause.next = Some(last_lines(self.evidence));
        }
        // Causes after these explain hardly anything.
        kept.truncate(MOST_CAUSES);
        kept.into_iter().map(|finding| finding.cause).collect()
    }
}

/// The time between two of these lines.
fn time_between(lines: &[OutputLine], first: usize, second: usize) -> Duration {
    let time = |at: usize| lines.get(at).map_or(Timestamp::EPOCH, |line| line.time);
    time(second).since(time(first))
}

const fn certainty(score: i32) -> Certainty {
    match score {
        CERTAIN.. => Certainty::Certain,
        LIKELY.. => Certainty::Likely,
        _ => Certainty::Possible,
    }
}

impl Cause {
    /// Suggest opening this place, or the other command if there is no place.
    fn look_at(&mut self, place: Option<String>, else_next: Option<String>) {
        self.next = place.as_deref().map(open).or(else_next);
        self.place = place;
    }
}

/// Whether it was ended from outside or ended successfully. Then its output is probably not the
/// cause.
fn comes_from_outside(evidence: &Evidence) -> bool {
    use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM};
    let asked = [SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM];
    let signalled = |number: u8| asked.iter().any(|signal| *signal as i32 == i32::from(number));
    evidence.exit.success() || evidence.signal().is_some_and(signalled)
}

/// Turn a line into evidence.
pub(super) fn clue(line: &OutputLine) -> Clue {
    Clue {
        text: cut(line.text.trim()),
        time: Some(line.time.to_millisecond()),
        cursor: line.at.map(|at| at.to_string()),
    }
}

/// Evidence that is not from the log.
fn hearsay(text: &str) -> Clue {
    Clue { text: cut(text.trim()), time: None, cursor: None }
}

/// Shorten a text to a readable length.
fn cut(text: &str) -> String {
    text::cut(text, LONGEST_QUOTE).into_owned()
}

/// The command that shows the last lines.
fn last_lines(evidence: &Evidence) -> String {
    last_lines_of(&evidence.name)
}

fn last_lines_of(name: &ProcName) -> String {
    format!("tmo logs {} -n 100", quoted(name.as_str()))
}

/// The command that opens a place: `${EDITOR:-vi} +12 app/main.py`.
fn open(place: &str) -> String {
    let mut parts = place.splitn(3, ':');
    let (path, line) = (parts.next().unwrap_or(place), parts.next());
    match line.filter(|line| line.parse::<u32>().is_ok()) {
        Some(line) => format!("${{EDITOR:-vi}} +{line} {}", quoted(path)),
        None => format!("${{EDITOR:-vi}} {}", quoted(path)),
    }
}
