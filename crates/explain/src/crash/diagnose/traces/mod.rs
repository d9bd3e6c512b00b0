//! Exceptions and panics: the innermost cause, and the first place in the project on its stack.

mod compiler;
mod dotnet;
mod go;
mod java;
mod native;
mod node;
mod python;
mod rust;
mod scripting;

use super::{Findings, cut, open};
use crate::crash::cause::CauseKind;
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

/// The result of parsing a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trace {
    /// The first line that belongs to it.
    begin: usize,
    /// The line of the innermost cause.
    at: usize,
    /// The message of the cause.
    text: String,
    /// The first place in the project: `app/main.py:12`.
    place: Option<String>,
    /// The command to type, if that is not to open the place.
    next: Option<String>,
    /// The last line that belongs to it.
    end: usize,
}

type Reader = fn(&Evidence, &[&str]) -> Option<Trace>;

const READERS: [Reader; 10] = [
    rust::last,
    python::last,
    node::last,
    go::last,
    java::last,
    scripting::last_of_ruby,
    scripting::last_of_perl,
    native::last,
    scripting::last_of_php,
    dotnet::last,
];

pub(super) fn add_causes(found: &mut Findings<'_>) {
    let lines: Vec<&str> = found.lines().iter().map(|line| line.text.as_str()).collect();
    for read in READERS {
        if let Some(trace) = read(found.evidence, &lines) {
            put(found, CauseKind::Exception, 68, trace);
        }
    }
    // A compiler error says more than the exception that reports it.
    if let Some(trace) = compiler::first(found.evidence, &lines) {
        put(found, CauseKind::LoggedError, 71, trace);
    }
}

fn put(found: &mut Findings<'_>, kind: CauseKind, score: i32, trace: Trace) {
    // The age of a trace is that of its last line.
    let lines = found.lines().len();
    let own = i32::try_from(trace.end.saturating_sub(trace.at) / 3).unwrap_or(0).min(30);
    let last = trace.end + 1 >= lines;
    let score = score + own + if last { 2 } else { 0 };
    let mut text = trace.text;
    // The rest of the sentence is in the next line.
    let rest =
        found.lines().get(trace.at + 1).filter(|_| text.ends_with(':') && trace.at < trace.end);
    if let Some(rest) = rest.map(|line| line.text.trim()).filter(|rest| !rest.is_empty()) {
        text = format!("{text} {rest}");
    }
    let cause = found.add_line(score, trace.at, kind, cut(&text));
    cause.next = trace.next.or_else(|| trace.place.as_deref().map(open));
    cause.place = trace.place;
    if let Some(clue) = &mut cause.evidence {
        // The bars of an exception group carry no information.
        clue.text = clue.text.trim_start_matches(['|', ' ']).to_owned();
    }
    found.trails.push(trace.begin..=trace.end);
}

/// The place of a trace that is part of a text, as loggers print it.
pub(super) fn place_in(evidence: &Evidence, text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    READERS.iter().find_map(|read| read(evidence, &lines)?.place)
}

/// The number of the last line in which this expression matches.
fn last_of(lines: &[&str], expr: &Expr) -> Option<usize> {
    lines.iter().rposition(|line| expr.finds(line))
}

/// The first of these places (path and line) that is in the project.
fn first_own<'l>(
    evidence: &Evidence,
    places: impl IntoIterator<Item = [&'l str; 2]>,
    strange: &[&str],
) -> Option<String> {
    places.into_iter().find_map(|[path, line]| evidence.own_place(path, line, strange))
}
