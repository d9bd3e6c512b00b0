//! Exceptions and panics: the innermost cause, and the first place of the project that it went
//! through.

mod go;
mod java;
mod node;
mod python;
mod ruby;
mod rust;

use super::{Findings, cut, open};
use crate::crash::cause::Kind;
use crate::crash::evidence::Evidence;

/// What a trace comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trace {
    /// The line of the innermost cause.
    at: usize,
    /// What it says.
    text: String,
    /// The first place in the project: `app/main.py:12`.
    place: Option<String>,
    /// The last line that belongs to it.
    end: usize,
}

pub(super) fn find(found: &mut Findings<'_>) {
    let readers: [fn(&Evidence) -> Option<Trace>; 6] =
        [rust::last, python::last, node::last, go::last, java::last, ruby::last];
    for read in readers {
        let Some(trace) = read(found.evidence) else { continue };
        // It is as old as its last line.
        let lines = found.lines().len();
        let own = i32::try_from(trace.end.saturating_sub(trace.at) / 3).unwrap_or(0).min(30);
        let last = trace.end + 1 >= lines;
        let score = 68 + own + if last { 2 } else { 0 };
        let text = cut(&trace.text);
        let cause = found.add_line(score, trace.at, Kind::Exception, text);
        cause.next = trace.place.as_deref().map(open);
        cause.place = trace.place;
    }
}

/// The lines of the evidence as texts.
fn texts(evidence: &Evidence) -> Vec<&str> {
    evidence.lines.iter().map(|line| line.text.as_str()).collect()
}
