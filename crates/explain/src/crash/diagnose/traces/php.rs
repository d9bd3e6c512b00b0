//! `PHP Fatal error:  Uncaught Exception: text in /srv/app/db.php:12`.

use super::{Trace, first_own, last_of};
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

static HEAD: Expr = Expr::new(
    r"^(?:\[.*?\] )?(?:PHP )?(?:Fatal|Parse) error:\s+(?:Uncaught )?(.+?) in (\S+\.php)(?::| on line )(\d+)$",
);
static FRAME: Expr = Expr::new(r"^(?:PHP )?\s*#\d+ (\S+\.php)\((\d+)\): ");
static BELOW: Expr = Expr::new(r"^(?:PHP )?(?:Stack trace:|\s*#\d+ |\s+thrown in )");

const STRANGE: [&str; 1] = ["/vendor/"];

/// The last uncaught error.
pub(super) fn last(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let at = last_of(lines, &HEAD)?;
    let end = at + lines[at + 1..].iter().take_while(|line| BELOW.finds(line)).count();
    let [text, path, line] = HEAD.groups(lines[at])?;
    let frames = lines[at..=end].iter().filter_map(|line| FRAME.groups(line));
    let place = first_own(evidence, [[path, line]].into_iter().chain(frames), &STRANGE);
    Some(Trace { begin: at, at, text: text.to_owned(), place, next: None, end })
}
