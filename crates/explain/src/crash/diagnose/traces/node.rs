//! `Error: text`, and the place: `    at handler (/app/server.js:10:9)`.

use super::{Trace, first_own, last_of};
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

/// `at f (file:1:2)`, `at file:1:2`, `at async f (file:///app/x.mjs:1:2)`; but not a class of Java.
static FRAME: Expr =
    Expr::new(r"^\s+at (?:async |.*\()?((?:file://|node:|[A-Z]:\\)?[^():]+):(\d+):\d+\)?");
/// A frame without a place: `at new Promise (<anonymous>)`; and lines between frames.
static NOWHERE: Expr = Expr::new(
    r"^\s+at .*\(?(?:<anonymous>|native|eval at .*)\)?$|^Emitted 'error' event (?:on .+ )?at:$",
);
/// The head of an error, above its frames. Before it there may be a word of the program that
/// reports it (`fatal: TypeError: …`), or `[cause]:` if it caused another error.
static HEAD: Expr = Expr::new(
    r"^\s*(?:.*\[cause\]: |.{0,60}?[\s\[\])])??((?:Uncaught )?(?:[A-Za-z_$][\w$.]*)?(?:Error|Exception|Rejection|Warning)\b(?: \[\w+\])?(?:: .*)?)(?: \{)?$",
);
static CAUSE: Expr = Expr::new(r"\[cause\]: (.+?)(?: \{)?$");
/// The line after the frames of an error that combines several.
static ERRORS: Expr = Expr::new(r"^\s+\[errors\]: \[$");
/// The place of the `throw`, above the source line: `/srv/app/server.js:10`.
static THROWN: Expr = Expr::new(r"^((?:file://)?/\S.*?|[A-Z]:\\.*?):(\d+)$");
/// How many lines before the head that place may be.
const NEAR: usize = 8;
/// A thrown value that is not an error.
static REASON: Expr = Expr::new(r#"UnhandledPromiseRejection: .* reason "(.*)"\.\]?$"#);
/// How many further lines of the message may be between the head and the frames.
const MESSAGE: usize = 8;

const STRANGE: [&str; 3] = ["node_modules", "node:", "internal/"];

/// The last error with frames; in a chain of causes, the innermost.
pub(super) fn last(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let frame = |line: &&str| FRAME.finds(line) || NOWHERE.finds(line);
    let end = lines.iter().rposition(frame)?;
    // The frames of an error and those of its causes are adjacent.
    let mut outer = head(lines, end)?;
    let mut inner = outer;
    while CAUSE.finds(lines[outer]) {
        let before = lines[..outer].iter().rposition(frame);
        let Some(next) = before.and_then(|before| head(lines, before)) else { break };
        outer = next;
        inner = inner.max(outer);
    }
    let mut frames = &lines[inner..=end];
    if let Some(first) = first_of_several(&lines[..=end]) {
        (inner, frames) = (first, &lines[first..=end]);
    }
    let own = || own_frame(evidence, frames).or_else(|| own_frame(evidence, &lines[outer..=end]));
    let text = CAUSE.group(lines[inner]).or_else(|| HEAD.group(lines[inner]));
    let text = text.unwrap_or(lines[inner]).trim();
    let thrown = || thrown(evidence, &lines[outer.saturating_sub(NEAR)..outer]);
    // A file with a syntax error was not called, only loaded: prefer the place above the source.
    let syntax = text.starts_with("SyntaxError");
    let place = if syntax { thrown().or_else(own) } else { own().or_else(thrown) };
    let text = REASON.group(text).map_or_else(
        || text.to_owned(),
        |reason| format!("nobody handled the rejection: {reason}"),
    );
    Some(Trace { begin: outer, at: inner, text, place, next: None, end })
}

/// The first of several errors in the list that ends here.
fn first_of_several(lines: &[&str]) -> Option<usize> {
    let list = last_of(lines, &ERRORS)?;
    let below = &lines[list + 1..];
    let one = below.iter().all(|line| line.starts_with(' '));
    let first = below.iter().position(|line| HEAD.finds(line)).filter(|_| one)?;
    Some(list + 1 + first)
}

/// The place above the quoted source.
fn thrown(evidence: &Evidence, lines: &[&str]) -> Option<String> {
    let [path, line] = lines.iter().rev().find_map(|line| THROWN.groups(line))?;
    evidence.own_place(path, line, &STRANGE)
}

/// The head that the frames up to this one belong to.
fn head(lines: &[&str], frame: usize) -> Option<usize> {
    let first =
        (0..=frame).rev().find(|at| !FRAME.finds(lines[*at]) && !NOWHERE.finds(lines[*at]))?;
    let from = first.saturating_sub(MESSAGE);
    (from..=first).rev().find(|at| HEAD.finds(lines[*at]))
}

fn own_frame(evidence: &Evidence, lines: &[&str]) -> Option<String> {
    first_own(evidence, lines.iter().filter_map(|line| FRAME.groups(line)), &STRANGE)
}
