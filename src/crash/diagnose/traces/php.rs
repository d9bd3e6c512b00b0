//! `PHP Fatal error:  Uncaught Exception: text in /srv/app/db.php:12`.

use super::{Trace, texts};
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

static HEAD: Expr = Expr::new(
    r"^(?:\[.*?\] )?(?:PHP )?(?:Fatal|Parse) error:\s+(?:Uncaught )?(.+?) in (\S+\.php)(?::| on line )(\d+)$",
);
static FRAME: Expr = Expr::new(r"^(?:PHP )?\s*#\d+ (\S+\.php)\((\d+)\): ");
static BELOW: Expr = Expr::new(r"^(?:PHP )?(?:Stack trace:|\s*#\d+ |\s+thrown in )");

const STRANGE: [&str; 1] = ["/vendor/"];

/// The last error that nobody caught.
pub(super) fn last(evidence: &Evidence) -> Option<Trace> {
    let lines = texts(evidence);
    let at = lines.iter().rposition(|line| HEAD.finds(line))?;
    let end = at + lines[at + 1..].iter().take_while(|line| BELOW.finds(line)).count();
    let head = HEAD.captures(lines[at])?;
    let frames = lines[at..=end].iter().filter_map(|line| FRAME.captures(line));
    let frames = frames.map(|found| (found[1].to_owned(), found[2].to_owned()));
    let mut all = std::iter::once((head[2].to_owned(), head[3].to_owned())).chain(frames);
    let place = all.find(|(path, _)| evidence.is_own(path, &STRANGE));
    let place = place.map(|(path, line)| evidence.place(&path, &line));
    Some(Trace { begin: at, at, text: head[1].to_owned(), place, next: None, end })
}
