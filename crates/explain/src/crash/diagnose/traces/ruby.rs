//! ``app.rb:3:in `run': text (NoMethodError)``, and the callers: `\tfrom app.rb:9:in …`.

use super::{Trace, first_own};
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

static HEAD: Expr = Expr::new(r"^(\S+?):(\d+):in [`'].+?': (.+ \([A-Z][\w:]*\))$");
/// An error without callers: `app.rb:3: syntax error …`, with or without `(SyntaxError)` after it.
static BARE: Expr =
    Expr::new(r"^(\S+\.rb):(\d+): (.+ \((?:SyntaxError|[A-Z]\w*Error)\)|syntax error.*)$");
static FRAME: Expr = Expr::new(r"^\s+(?:\d+: )?from (\S+?):(\d+):in ");

const STRANGE: [&str; 5] = ["/gems/", "/lib/ruby/", "<internal:", "/rubygems/", "/bundler/"];

/// The last exception. In a chain of causes, the innermost comes last.
pub(super) fn last(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let at = lines.iter().rposition(|line| HEAD.finds(line) || BARE.finds(line))?;
    let frames = lines[at + 1..].iter().take_while(|line| FRAME.finds(line)).count();
    let end = at + frames;
    let [path, line, text] = HEAD.groups(lines[at]).or_else(|| BARE.groups(lines[at]))?;
    let frames = lines[at + 1..=end].iter().filter_map(|line| FRAME.groups(line));
    let place = first_own(evidence, [[path, line]].into_iter().chain(frames), &STRANGE);
    Some(Trace { begin: at, at, text: text.to_owned(), place, next: None, end })
}
