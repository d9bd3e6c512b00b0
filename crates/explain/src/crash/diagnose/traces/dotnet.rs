//! `Unhandled exception. System.Exception: text`, causes (` ---> …`), and the place:
//! `   at Shop.Main() in /srv/app/Program.cs:line 5`.

use super::{Trace, first_own, last_of};
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

static HEAD: Expr = Expr::new(r"^Unhandled exception\. (.+)$");
static CAUSE: Expr = Expr::new(r"^ ---> (.+?)(?: ---> .*)?$");
static FRAME: Expr = Expr::new(r"^\s+at .+ in (.+):line (\d+)$");
static BELOW: Expr = Expr::new(r"^(?:\s+at | ---> |\s+--- End of )");

/// The last exception; if it has causes, the innermost.
pub(super) fn last(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let begin = last_of(lines, &HEAD)?;
    let end = begin + lines[begin + 1..].iter().take_while(|line| BELOW.finds(line)).count();
    let at = last_of(&lines[begin..=end], &CAUSE).map_or(begin, |offset| begin + offset);
    let text = CAUSE.group(lines[at]).or_else(|| HEAD.group(lines[at]))?.to_owned();
    // The frames of the innermost exception come first.
    let frames = lines[at..=end].iter().filter_map(|line| FRAME.groups(line));
    let place = first_own(evidence, frames, &[]);
    Some(Trace { begin, at, text, place, next: None, end })
}
