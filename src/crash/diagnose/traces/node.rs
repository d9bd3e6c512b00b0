//! `Error: text`, and where: `    at handler (/app/server.js:10:9)`.

use super::{Trace, texts};
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

/// `at f (file:1:2)`, `at file:1:2`, `at async f (file:///app/x.mjs:1:2)`; no class of Java.
static FRAME: Expr =
    Expr::new(r"^\s+at (?:async |.*\()?((?:file://|node:|[A-Z]:\\)?[^():]+):(\d+):\d+\)?");
/// A frame without a place: `at new Promise (<anonymous>)`.
static NOWHERE: Expr = Expr::new(r"^\s+at .*\(?(?:<anonymous>|native|eval at .*)\)?$");
/// What an error is in front of its frames; `[cause]:` before one that led to another.
static HEAD: Expr = Expr::new(
    r"^\s*(?:.*\[cause\]: )?((?:Uncaught )?(?:[A-Za-z_$][\w$.]*)?(?:Error|Exception|Rejection|Warning)\b(?: \[\w+\])?(?:: .*)?)(?: \{)?$",
);
static CAUSE: Expr = Expr::new(r"\[cause\]: (.+?)(?: \{)?$");
/// What may stand between the head and the frames: more lines of the message.
const MESSAGE: usize = 8;

const STRANGE: [&str; 3] = ["node_modules", "node:", "internal/"];

/// The last error with frames; of those that led to each other, the innermost.
pub(super) fn last(evidence: &Evidence) -> Option<Trace> {
    let lines = texts(evidence);
    let frame = |line: &&str| FRAME.finds(line) || NOWHERE.finds(line);
    let end = lines.iter().rposition(frame)?;
    // The frames of one error and of its causes hang together.
    let mut outer = head(&lines, end)?;
    let mut inner = outer;
    while CAUSE.finds(lines[outer]) {
        let before = lines[..outer].iter().rposition(frame);
        let Some(next) = before.and_then(|before| head(&lines, before)) else { break };
        outer = next;
        inner = inner.max(outer);
    }
    let place = own_frame(evidence, &lines[inner..=end])
        .or_else(|| own_frame(evidence, &lines[outer..=end]));
    let text = CAUSE.group(lines[inner]).or_else(|| HEAD.group(lines[inner]));
    let text = text.unwrap_or(lines[inner]).trim().to_owned();
    Some(Trace { at: inner, text, place, end })
}

/// The line that the frames up to this one belong to.
fn head(lines: &[&str], frame: usize) -> Option<usize> {
    let first =
        (0..=frame).rev().find(|at| !FRAME.finds(lines[*at]) && !NOWHERE.finds(lines[*at]))?;
    let from = first.saturating_sub(MESSAGE);
    (from..=first).rev().find(|at| HEAD.finds(lines[*at]))
}

fn own_frame(evidence: &Evidence, lines: &[&str]) -> Option<String> {
    lines.iter().find_map(|line| {
        let found = FRAME.captures(line)?;
        let path = &found[1];
        let own = evidence.is_own(path, &STRANGE);
        own.then(|| format!("{}:{}", evidence.shown(path), &found[2]))
    })
}
