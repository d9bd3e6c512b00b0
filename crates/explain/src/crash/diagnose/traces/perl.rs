//! `text at app.pl line 3.`, and the callers: `\tmain::load(1) called at app.pl line 9`.

use super::{Trace, first_own};
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

static HEAD: Expr = Expr::new(
    r"^(\S.*?) at (\S+\.(?:pl|pm|t|psgi|cgi)|\S*/\S+|-e) line (\d+)(?:, <\S+> (?:line|chunk) \d+)?\.?$",
);
static FRAME: Expr = Expr::new(r"^\s+.+ called at (\S+) line (\d+)$");
/// The line after an error that was found at compile time.
static ABORTED: Expr = Expr::new(
    r"^(?:BEGIN failed--compilation aborted|Compilation failed in require|Execution of \S+ aborted due to compilation errors|\S+ had compilation errors)",
);

const STRANGE: [&str; 3] = ["/usr/share/perl", "/usr/lib/", "/perl5/"];

/// The last fatal error; for compile errors, the first.
pub(super) fn last(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let head = |line: &str| HEAD.finds(line) && !ABORTED.finds(line) && !FRAME.finds(line);
    let last = lines.iter().rposition(|line| head(line))?;
    let behind = lines[last + 1..].iter();
    let end = last + behind.take_while(|line| FRAME.finds(line) || ABORTED.finds(line)).count();
    let aborted = lines[last..=end].iter().any(|line| ABORTED.finds(line));
    let before = lines[..last].iter().rev().take_while(|line| head(line));
    let at = if aborted { last - before.count() } else { last };
    let [text, path, line] = HEAD.groups(lines[at])?;
    let frames = lines[at..=end].iter().filter_map(|line| FRAME.groups(line));
    let place = first_own(evidence, [[path, line]].into_iter().chain(frames), &STRANGE);
    Some(Trace { begin: at, at, text: text.to_owned(), place, next: None, end })
}
