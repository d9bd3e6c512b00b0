//! `Unhandled exception. System.Exception: text`, causes (` ---> …`), and where:
//! `   at Shop.Main() in /srv/app/Program.cs:line 5`.

use super::{Trace, texts};
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

static HEAD: Expr = Expr::new(r"^Unhandled exception\. (.+)$");
static CAUSE: Expr = Expr::new(r"^ ---> (.+?)(?: ---> .*)?$");
static FRAME: Expr = Expr::new(r"^\s+at .+ in (.+):line (\d+)$");
static BELOW: Expr = Expr::new(r"^(?:\s+at | ---> |\s+--- End of )");

/// The last exception; of its causes, the innermost.
pub(super) fn last(evidence: &Evidence) -> Option<Trace> {
    let lines = texts(evidence);
    let begin = lines.iter().rposition(|line| HEAD.finds(line))?;
    let end = begin + lines[begin + 1..].iter().take_while(|line| BELOW.finds(line)).count();
    let inner = lines[begin..=end].iter().rposition(|line| CAUSE.finds(line));
    let at = inner.map_or(begin, |offset| begin + offset);
    let text = CAUSE.group(lines[at]).or_else(|| HEAD.group(lines[at]))?.to_owned();
    // The frames of the innermost one come first.
    let mut frames = lines[at..=end].iter().filter_map(|line| FRAME.captures(line));
    let place = frames.find(|found| evidence.is_own(&found[1], &[]));
    let place = place.map(|found| evidence.place(&found[1], &found[2]));
    Some(Trace { begin, at, text, place, next: None, end })
}
